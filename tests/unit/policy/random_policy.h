// Random rules and packets for property tests, drawn from few values so that they often meet.
//
// Promises: the same seed gives the same rules and packets. Rules are canonical, can match, and have names
// "rule 0" and so on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "policy/evaluate.h"
#include "policy/model.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::policy {

class RandomPolicy {
public:
    explicit RandomPolicy(unsigned seed) : random_(seed) {}

    // As written, not canonical.
    Rule raw_rule() {
        Rule rule;
        rule.action = chance(2) ? Action::kAllow : Action::kDeny;
        for (int i = below(4); i > 0; --i) {
            rule.services.push_back(parse_service(pick(kServices)).value());
        }
        if (rule.services.empty()) {
            rule.services.emplace_back();
        }
        rule.from.prefixes = prefixes();
        rule.to.prefixes = prefixes();
        for (int i = chance(3) ? below(3) : 0; i > 0; --i) {
            rule.on.emplace_back(pick(kPatterns));
        }
        rule.direction = pick(kDirections);
        return rule;
    }

    Rule rule(int number) {
        Rule rule;
        do {
            rule = canonical(raw_rule());
        } while (!check_rule(rule));
        rule.name = "rule " + std::to_string(number);
        return rule;
    }

    Policy policy() {
        Policy policy;
        for (int i = below(12); i > 0; --i) {
            policy.rules.push_back(rule(i));
        }
        return policy;
    }

    PacketView packet() {
        PacketView packet;
        packet.direction = chance(2) ? Direction::kIn : Direction::kOut;
        packet.interfaces = {pick(kInterfaces)};
        packet.now = static_cast<std::uint64_t>(below(4));
        packet.ethertype = 0x0806;
        if (chance(8)) {
            return packet;
        }
        packet.family = chance(2) ? Family::kIpv4 : Family::kIpv6;
        packet.ethertype = packet.family == Family::kIpv4 ? 0x0800 : 0x86dd;
        packet.protocol = pick(kProtocols);
        packet.source = address(*packet.family);
        packet.destination = address(*packet.family);
        packet.has_l4 = !chance(5);
        if (packet.has_l4) {
            packet.source_port = pick(kSelectors);
            packet.selector = pick(kSelectors);
        }
        return packet;
    }

    int below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }
    bool chance(int in) { return below(in) == 0; }

private:
    template <typename Value, std::size_t kSize>
    Value pick(const Value (&list)[kSize]) {
        return list[static_cast<std::size_t>(below(static_cast<int>(kSize)))];
    }

    std::vector<Prefix> prefixes() {
        std::vector<Prefix> list;
        for (int i = chance(2) ? below(4) : 0; i > 0; --i) {
            list.push_back(parse_prefix(pick(kPrefixes)).value());
        }
        return list;
    }

    std::array<std::uint8_t, 16> address(Family family) {
        return parse_prefix(family == Family::kIpv4 ? pick(kIpv4) : pick(kIpv6)).value().address;
    }

    static constexpr std::string_view kServices[] = {
        "any",       "tcp",    "udp",    "icmp",     "icmp6",     "1",
        "58",        "gre",    "tcp/22", "tcp/80",   "tcp/1-100", "udp/53",
        "udp/50-60", "icmp/8", "icmp/3", "icmp/3/4", "icmp6/128", "icmp6/1-4"};
    static constexpr std::string_view kPrefixes[] = {
        "0.0.0.0/0",    "10.0.0.0/8", "10.1.0.0/16",   "10.1.2.0/24",     "10.1.2.3",
        "192.0.2.0/25", "::/0",       "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::1"};
    static constexpr std::string_view kIpv4[] = {"10.0.0.1", "10.1.0.1",    "10.1.2.3",
                                                 "10.1.2.4", "192.0.2.127", "192.0.2.128"};
    static constexpr std::string_view kIpv6[] = {"2001:db8::1", "2001:db8:1::1", "2001:db8:1::2",
                                                 "2001:db9::1"};
    static constexpr std::string_view kPatterns[] = {"eth0",    "eth1",    "eth*", "eth?",
                                                     "docker0", "veth[1]", "*"};
    static constexpr const char* kInterfaces[] = {"eth0", "eth1", "eth10", "docker0", "veth[1]", "veth1"};
    static constexpr Direction kDirections[] = {Direction::kBoth, Direction::kBoth, Direction::kIn,
                                                Direction::kOut};
    static constexpr std::uint8_t kProtocols[] = {1, 6, 6, 17, 17, 47, 58};
    static constexpr std::uint16_t kSelectors[] = {22, 53, 80, 100, 0x0304, 0x0301, 0x0800, 0x8000, 0x0200};

    std::mt19937 random_;
};

}  // namespace fwctl::policy
