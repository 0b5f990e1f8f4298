#include "policy/evaluate.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "policy/builtin.h"
#include "policy/prefix.h"
#include "policy/rate.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

using Address = std::array<std::uint8_t, 16>;

bool is_over(std::uint64_t expires, const PacketView& packet) {
    return expires != 0 && expires <= packet.now;
}

bool matches_service(const Service& service, const PacketView& packet) {
    if (service.kind == Service::Kind::kAny) {
        return true;
    }
    if (!packet.family || packet.protocol != service.protocol) {
        return false;
    }
    if (service.family_bound && *packet.family != service.family) {
        return false;
    }
    if (!service.has_selector) {
        return true;
    }
    return packet.has_l4 && service.selector.contains(packet.selector) &&
           service.source_port.contains(packet.source_port);
}

bool matches_field(const FieldMatch& match, const PacketView& packet) {
    const auto value = value_of(match.field, packet);
    return value && std::any_of(match.any_of.begin(), match.any_of.end(),
                                [&](const Interval& interval) { return interval.contains(*value); });
}

bool matches_interface(const std::vector<std::string>& patterns, const PacketView& packet) {
    return patterns.empty() ||
           std::any_of(packet.interfaces.begin(), packet.interfaces.end(),
                       [&](const std::string& name) { return any_matches(patterns, name); });
}

Prefix block_around(Family family, Address address, std::uint8_t length) {
    for (std::size_t bit = length; bit < 128; ++bit) {
        address[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    }
    return {family, length, address};
}

// Elements are sorted by family, length and address: among those of one length there is only one block that
// could hold the address.
bool has_element(const std::vector<Prefix>& elements, Family family, const Address& address) {
    const auto shorter = [](const Prefix& one, const Prefix& other) {
        return std::pair(one.family, one.length) < std::pair(other.family, other.length);
    };
    for (auto first = elements.begin(); first != elements.end();) {
        const auto last = std::upper_bound(first, elements.end(), *first, shorter);
        if (first->family == family &&
            std::binary_search(first, last, block_around(family, address, first->length))) {
            return true;
        }
        first = last;
    }
    return false;
}

bool has_member(const std::vector<Member>& members, const PacketView& packet, const Address& address) {
    return std::any_of(members.begin(), members.end(), [&](const Member& member) {
        return !is_over(member.expires, packet) && contains(member.prefix, *packet.family, address);
    });
}

bool in_set(const std::string& name, const PacketView& packet, const Address& address,
            const Context& context) {
    const auto members = context.members.find(name);
    if (members != context.members.end() && has_member(members->second, packet, address)) {
        return true;
    }
    return context.sets != nullptr &&
           std::any_of(context.sets->begin(), context.sets->end(), [&](const Set& set) {
               return set.name == name && has_element(set.elements, *packet.family, address);
           });
}

bool in_any(const std::vector<Prefix>& prefixes, const std::vector<std::string>& sets,
            const PacketView& packet, const Address& address, const Context& context) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const Prefix& prefix) { return contains(prefix, *packet.family, address); }) ||
           std::any_of(sets.begin(), sets.end(),
                       [&](const std::string& name) { return in_set(name, packet, address, context); });
}

bool matches_addresses(const Addresses& wanted, const PacketView& packet, const Address& address,
                       const Context& context) {
    if (wanted.empty()) {
        return true;
    }
    if (!packet.family || in_any(wanted.except, wanted.except_sets, packet, address, context)) {
        return false;
    }
    const bool only_excepts = wanted.prefixes.empty() && wanted.sets.empty();
    return only_excepts || in_any(wanted.prefixes, wanted.sets, packet, address, context);
}

// "10.1.2.0/24", or "-" for what is not IP.
std::string address_key(const PacketView& packet, const Address& address, const Rate& rate) {
    if (!packet.family) {
        return "-";
    }
    const std::uint8_t length = *packet.family == Family::kIpv4 ? rate.ipv4_bits : rate.ipv6_bits;
    return format_prefix(block_around(*packet.family, address, length));
}

// Whose bucket a packet asks.
std::string bucket_key(const Rate& rate, const PacketView& packet) {
    const int protocol = packet.family ? packet.protocol : -1;
    const std::string source = address_key(packet, packet.source, rate);
    const std::string destination = address_key(packet, packet.destination, rate);
    const auto with_port = [&](const std::string& address, std::uint16_t port) {
        return packet.has_ports() ? fmt::format("{} {}", address, port) : address;
    };
    switch (rate.per) {
        case RatePer::kRule:
            return {};
        case RatePer::kSource:
            return source;
        case RatePer::kDestination:
            return destination;
        case RatePer::kService:
            return fmt::format("{} {}", protocol, with_port(destination, packet.selector));
        case RatePer::kFlow:
            break;
    }
    const std::string one = with_port(source, packet.source_port);
    const std::string other = with_port(destination, packet.selector);
    return fmt::format("{} {} {}", protocol, std::min(one, other), std::max(one, other));
}

bool rate_holds(const Rule& rule, const PacketView& packet, Buckets* buckets) {
    return !rule.rate || (buckets == nullptr || buckets->take(rule, packet)) != rule.rate->over;
}

}  // namespace

bool Buckets::take(const Rule& rule, const PacketView& packet) {
    const Rate& rate = *rule.rate;
    const auto period = static_cast<std::uint64_t>(std::chrono::nanoseconds(period_of(rate)).count());
    const std::uint64_t full = rate.burst * period;
    const auto [known, is_new] =
        levels_.try_emplace(rule.name + '\n' + bucket_key(rate, packet), Level{full, now});
    Level& level = known->second;
    const std::uint64_t passed = now - level.time;
    const std::uint64_t missing = full - level.tokens;
    level.tokens = passed > missing / rate.count ? full : level.tokens + passed * rate.count;
    level.time = now;
    const std::uint64_t wanted = rate.bytes ? packet.length : 1;
    if (wanted > rate.burst || level.tokens < wanted * period) {
        return false;
    }
    level.tokens -= wanted * period;
    return true;
}

bool PacketView::has_ports() const {
    return family && has_l4 &&
           (protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolSctp);
}

std::optional<std::uint64_t> value_of(Field field, const PacketView& packet) {
    const auto when = [](bool has_it, std::uint64_t value) {
        return has_it ? std::optional(value) : std::nullopt;
    };
    const bool is_ip = packet.family.has_value();
    switch (field) {
        case Field::kSourcePort:
            return when(packet.has_ports(), packet.source_port);
        case Field::kTcpFlags:
            return when(packet.has_ports() && packet.protocol == kProtocolTcp, packet.tcp_flags);
        case Field::kFragment:
            return when(is_ip, static_cast<std::uint64_t>(packet.fragment));
        case Field::kLength:
            return std::min(packet.length, 65535U);  // longer ones are of the largest length
        case Field::kTtl:
            return when(is_ip, packet.ttl);
        case Field::kDscp:
            return when(is_ip, packet.dscp);
        case Field::kVlan:
            return packet.vlan;
        case Field::kMac:
            return packet.mac;
        case Field::kEthertype:
            return packet.ethertype;
        case Field::kState:
            return when(is_ip, static_cast<std::uint64_t>(packet.state.value_or(FlowState::kUntracked)));
    }
    return std::nullopt;
}

bool matches(const Rule& rule, const PacketView& packet, const Context& context) {
    if (judged_by_parser(rule) || is_over(rule.expires, packet)) {
        return false;
    }
    if (rule.direction != Direction::kBoth && rule.direction != packet.direction) {
        return false;
    }
    const bool any_service =
        std::any_of(rule.services.begin(), rule.services.end(),
                    [&](const Service& service) { return matches_service(service, packet); });
    const bool all_fields = std::all_of(rule.fields.begin(), rule.fields.end(), [&](const FieldMatch& match) {
        return matches_field(match, packet);
    });
    return any_service && all_fields && matches_interface(rule.on, packet) &&
           matches_addresses(rule.from, packet, packet.source, context) &&
           matches_addresses(rule.to, packet, packet.destination, context);
}

Verdict evaluate(const std::vector<Rule>& rules, const PacketView& packet, const Context& context,
                 Buckets* buckets) {
    Verdict verdict;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (!matches(rules[i], packet, context) || !rate_holds(rules[i], packet, buckets)) {
            continue;
        }
        if (!goes_on(rules[i].action)) {
            verdict.rule = i;
            break;
        }
        verdict.counted.push_back(i);
    }
    return verdict;
}

std::optional<std::size_t> first_match(const std::vector<Rule>& rules, const PacketView& packet,
                                       const Context& context) {
    return evaluate(rules, packet, context).rule;
}

}  // namespace fwctl::policy
