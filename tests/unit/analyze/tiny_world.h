// Random policies over so few values that all packets can be tried.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "generate/packets.h"
#include "generate/random.h"
#include "policy/builtin.h"
#include "policy/evaluate.h"
#include "policy/prefix.h"
#include "policy/rule.h"

namespace fwctl::analyze {

using namespace policy;
using generate::Random;

// What a case is about: each makes rules ask for more, and packets vary in it.
enum Topic : unsigned {
    kAddresses,
    kDestinations,
    kPorts,
    kSourcePorts,
    kFlags,
    kFragments,
    kLengths,
    kTtls,
    kVlans,
    kMacs,
    kEthertypes,
    kStates,
    kInterfaces,
    kDirections,
    kDynamic,
    kTopics,
};

constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr const char* kPatterns[] = {"eth0", "eth1", "eth?", "eth*", "w*", "*h*", "?th0", "wan"};

std::array<std::uint8_t, 16> address(Family family, unsigned number) {
    return parse_prefix(family == Family::kIpv4 ? fmt::format("10.0.0.{}", number)
                                                : fmt::format("2001:db8::{:x}", number))
        .value()
        .address;
}

// One name for each set of patterns that a name of up to five letters can match.
const std::vector<std::string>& representative_names() {
    static const std::vector<std::string> kNames = [] {
        std::map<std::vector<bool>, std::string> classes;
        std::vector<std::string> names = {""};
        for (std::size_t i = 0; i < names.size(); ++i) {
            const std::string name = names[i];
            for (const char letter : std::string("ethw01anx")) {
                std::vector<bool> matched;
                for (const char* pattern : kPatterns) {
                    matched.push_back(interface_matches(pattern, name + letter));
                }
                classes.emplace(matched, name + letter);
                if (name.size() < 4) {
                    names.push_back(name + letter);
                }
            }
        }
        std::vector<std::string> result;
        for (const auto& [matched, name] : classes) {
            result.push_back(name);
        }
        return result;
    }();
    return kNames;
}

class TinyWorld {
public:
    explicit TinyWorld(std::uint64_t seed) : random_(seed) {
        for (std::uint64_t i = random_.between(1, 3); i > 0; --i) {
            topics_.insert(static_cast<Topic>(random_.below(kTopics)));
        }
        if (has(kDestinations)) {
            topics_.insert(kAddresses);
        }
    }

    Policy policy() {
        Policy policy;
        policy.defaults.in = random_.percent(50) ? Action::kAllow : Action::kDeny;
        policy.defaults.out = has(kDirections) ? Action::kAllow : policy.defaults.in;
        for (const Rule& rule : builtin_rules()) {
            policy.disabled_builtins.push_back(rule.name);
        }
        std::sort(policy.disabled_builtins.begin(), policy.disabled_builtins.end());
        policy.sets = {set("banned", {}), set("some", {"10.0.0.1", "10.0.0.2", "2001:db8::1"})};
        policy.sets[0].dynamic = true;
        if (has(kInterfaces) && random_.percent(50)) {
            Attach attach;
            attach.name = "wan";
            attach.device = random_.pick({"eth0", "eth*", "x"});
            policy.attachments.push_back(attach);
        }
        for (std::uint64_t i = random_.between(2, 7); i > 0; --i) {
            policy.rules.push_back(rule(fmt::format("{}", i)));
        }
        return policy;
    }

    // Every packet, as far as the topics go, for each state of the dynamic set.
    std::vector<PacketView> packets(const Policy& policy) {
        std::vector<PacketView> all = {PacketView{}};
        vary(all, has(kMacs) || has(kVlans), {0, 1, 2, 0x123400000000, 0xffff00000000, 0xffff00000001, kAll},
             [](auto& packet, auto value) {
                 if (value != kAll) packet.mac = value;
             });
        if (!has(kMacs) && !has(kVlans)) {
            for (PacketView& packet : all) packet.mac = 1;
        }
        vary(all, has(kVlans), {0, 1, 2, 4095, 4096}, [](auto& packet, auto value) { packet.vlan = value; });
        vary(all, has(kLengths), {0, 1, 20, 39, 40, 41, 47, 48, 49, 59, 60, 61, 67, 68, 65535, 65536},
             [](auto& packet, auto value) { packet.length = value; });
        vary(all, has(kDirections) || has(kStates), {1, 2},  // `state` is for packets on their way in
             [](auto& packet, auto value) { packet.direction = static_cast<Direction>(value); });
        vary_interfaces(all, policy);
        vary(all, true, {0, 4, 6}, [](auto& packet, auto value) {
            if (value != 0) packet.family = static_cast<Family>(value);
        });
        vary(all, has(kStates), {0, 1, 2, 3, 4},
             [](auto& packet, auto value) { packet.state = static_cast<FlowState>(value); });
        vary(all, true, {0, 1, 0x0801, 0x0806, 0x0900, 0x9000, 0xffff},
             [](auto& packet, auto value) { packet.ethertype = value; });
        vary(all, has(kAddresses), {0, 1, 2, 3, 77}, [](auto& packet, auto value) {
            if (packet.family) packet.source = address(*packet.family, value);
        });
        vary(all, has(kDestinations), {0, 1, 2, 3, 77}, [](auto& packet, auto value) {
            if (packet.family) packet.destination = address(*packet.family, value);
        });
        vary(all, has(kTtls), {0, 1, 2, 255}, [](auto& packet, auto value) { packet.ttl = value; });
        vary(all, true, {0, 3, 1, 2},
             [](auto& packet, auto value) { packet.fragment = static_cast<FragmentKind>(value); });
        vary(all, true, {1, 6, 17, 47, 58, 99, 132},
             [](auto& packet, auto value) { packet.protocol = value; });
        vary(all, has(kPorts), {0, 1, 2, 3, 4, 65535},
             [](auto& packet, auto value) { packet.selector = value; });
        vary(all, has(kSourcePorts), {0, 1, 2, 3, 4, 65535},
             [](auto& packet, auto value) { packet.source_port = value; });
        vary(all, has(kFlags), {0, 1, 2, 3, 4, 5, 6, 7},
             [](auto& packet, auto value) { packet.tcp_flags = value; });
        return all;
    }

    [[nodiscard]] bool has(Topic topic) const { return topics_.count(topic) != 0; }

private:
    static Set set(const char* name, const std::vector<std::string>& elements) {
        Set set;
        set.name = name;
        for (const std::string& element : elements) {
            set.elements.push_back(parse_prefix(element).value());
        }
        std::sort(set.elements.begin(), set.elements.end());
        return set;
    }

    // Replaces each packet by those with each of the values, without what is not possible or the same.
    template <typename Apply>
    static void vary(std::vector<PacketView>& packets, bool does, const std::vector<std::uint64_t>& values,
                     Apply apply) {
        std::vector<PacketView> varied;
        for (const PacketView& packet : packets) {
            const std::size_t first = varied.size();
            for (const std::uint64_t value : values) {
                PacketView one = packet;
                apply(one, value);
                const std::uint32_t length = one.length;
                one = generate::possible(one);
                // Which makes none that are longer or shorter than what a test run takes.
                one.length = one.family ? std::max(one.length, length) : std::max(length, one.mac ? 0U : 1U);
                if (std::find(varied.begin() + first, varied.end(), one) == varied.end()) {
                    varied.push_back(one);
                }
                if (!does) {
                    break;
                }
            }
        }
        packets = std::move(varied);
    }

    void vary_interfaces(std::vector<PacketView>& packets, const Policy& policy) {
        std::vector<std::vector<std::string>> carried;
        for (const std::string& name : representative_names()) {
            carried.push_back({name});
            for (const Attach& attach : policy.attachments) {
                if (interface_matches(attach.device, name)) {
                    carried.push_back({attach.name, name});
                }
            }
        }
        std::vector<std::uint64_t> indices;
        for (std::size_t i = 0; i < carried.size(); ++i) {
            indices.push_back(i);
        }
        vary(packets, has(kInterfaces), indices,
             [&](auto& packet, auto index) { packet.interfaces = carried[index]; });
    }

    Rule rule(std::string name) {
        Rule rule;
        do {
            rule = canonical(raw_rule());
        } while (!check_rule(rule));
        rule.name = std::move(name);
        return rule;
    }

    Rule raw_rule() {
        Rule rule;
        rule.action = random_.pick(
            {Action::kAllow, Action::kAllow, Action::kDeny, Action::kDeny, Action::kReject, Action::kCount});
        rule.origin = Origin::kFile;
        for (std::uint64_t i = random_.below(3); i > 0; --i) {
            rule.services.push_back(service());
        }
        if (has(kAddresses)) {
            rule.from = addresses();
        }
        if (has(kDestinations)) {
            rule.to = addresses();
        }
        if (has(kDynamic) && random_.percent(50)) {
            (random_.percent(60) ? rule.from.sets : rule.from.except_sets).push_back("banned");
        }
        if (has(kInterfaces)) {
            for (std::uint64_t i = random_.below(3); i > 0; --i) {
                rule.on.emplace_back(random_.pick(kPatterns));
            }
        }
        if (has(kDirections)) {
            rule.direction = random_.pick({Direction::kBoth, Direction::kIn, Direction::kOut});
        }
        add_fields(rule);
        return rule;
    }

    Service service() {
        Service service;
        const std::uint8_t protocol = random_.pick({6, 6, 17, 1, 1, 58, 58, 47});
        service.kind = Service::Kind::kProtocol;
        service.protocol = protocol;
        if ((protocol == 1 || protocol == 58) && random_.percent(60)) {
            service.family_bound = true;
            service.family = protocol == 1 ? Family::kIpv4 : Family::kIpv6;
        }
        service.has_selector = has(kPorts) && protocol != 47 && random_.percent(60);
        if (service.has_selector) {
            service.selector.first = random_.pick({0, 1, 2, 3, 4});
            service.selector.last = random_.pick({0, 1, 2, 3, 65535});
            if (service.selector.first > service.selector.last) {
                std::swap(service.selector.first, service.selector.last);
            }
        }
        return service;
    }

    Prefix prefix() {
        const Family family = random_.percent(60) ? Family::kIpv4 : Family::kIpv6;
        const std::uint8_t bits = address_bits(family);
        if (random_.percent(15)) {
            return {family, 0, {}};
        }
        const unsigned free = random_.below(3);
        const unsigned number = random_.below(4) >> free << free;
        return {family, static_cast<std::uint8_t>(bits - free), address(family, number)};
    }

    Addresses addresses() {
        Addresses addresses;
        for (std::uint64_t i = random_.below(4); i > 0; --i) {
            addresses.prefixes.push_back(prefix());
        }
        if (random_.percent(15)) {
            addresses.sets.emplace_back("some");
        }
        if (random_.percent(15)) {
            addresses.except.push_back(prefix());
        }
        if (random_.percent(10)) {
            addresses.except_sets.emplace_back("some");
        }
        return addresses;
    }

    void add_fields(Rule& rule) {
        const auto add = [&](Topic topic, Field field, const std::vector<std::uint64_t>& edges) {
            if (!has(topic) || random_.percent(40)) {
                return;
            }
            FieldMatch match{field, {}};
            for (std::uint64_t i = random_.between(1, 2); i > 0; --i) {
                std::uint64_t first = random_.pick(edges);
                std::uint64_t last = random_.pick(edges);
                if (first > last) std::swap(first, last);
                match.any_of.push_back({kAll, first, last});
            }
            rule.fields.push_back(match);
        };
        add(kSourcePorts, Field::kSourcePort, {0, 1, 2, 3, 65535});
        if (has(kFlags) && random_.percent(60)) {
            FieldMatch match{Field::kTcpFlags, {}};
            for (std::uint64_t i = random_.between(1, 2); i > 0; --i) {
                const std::uint64_t mask = random_.pick({1, 2, 3, 0xff});
                const std::uint64_t value = random_.below(4) & mask;
                match.any_of.push_back({mask, value, value});
            }
            rule.fields.push_back(match);
        }
        add(kFragments, Field::kFragment, {0, 1, 2, 3});
        add(kLengths, Field::kLength, {0, 39, 40, 47, 48, 59, 60, 67, 65535});
        add(kTtls, Field::kTtl, {0, 1, 255});
        add(kVlans, Field::kVlan, {0, 1, 4095, 4096});
        if (has(kMacs) && random_.percent(60)) {
            const std::uint64_t mask = random_.pick({std::uint64_t{0}, std::uint64_t{0xffff00000000}, kAll});
            const std::uint64_t value =
                random_.pick({std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xffff00000000}}) & mask;
            rule.fields.push_back({Field::kMac, {{mask, value, value}}});
        }
        add(kEthertypes, Field::kEthertype, {0, 0x0800, 0x0806, 0x86dd, 65535});
        add(kStates, Field::kState, {0, 1, 2, 4});
    }

    Random random_;
    std::set<Topic> topics_;
};

}  // namespace fwctl::analyze
