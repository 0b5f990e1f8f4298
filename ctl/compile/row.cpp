#include "compile/row.h"

#include <fmt/format.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cstddef>

#include "fwctl/abi/packet.h"
#include "fwctl/abi/reason.h"

namespace fwctl::compile {
namespace {

using policy::Action;
using policy::Field;
using policy::Service;

// Where a field stands in struct fw_packet, and what a packet that has it looks like.
struct Location {
    std::size_t offset = 0;  // bytes
    unsigned bits = 0;
    unsigned shift = 0;  // within the field
    std::uint32_t traits = 0;
    std::uint32_t traits_mask = 0;
};

constexpr std::uint64_t kLongest = 65535;
constexpr std::uint32_t kTcp = std::uint32_t{FW_TRAITS_L4} | IPPROTO_TCP;

Location location_of(Field field) {
    switch (field) {
        case Field::kSourcePort:
            return {offsetof(fw_packet, source_port), 16, 0, FW_TRAITS_PORTS, FW_TRAITS_PORTS};
        case Field::kTcpFlags:
            return {offsetof(fw_packet, tcp_flags), 8, 0, kTcp,
                    std::uint32_t{FW_TRAITS_L4} | FW_TRAITS_PROTOCOL};
        case Field::kFragment:
            return {offsetof(fw_packet, fragment), 8, 0, FW_TRAITS_IP, FW_TRAITS_IP};
        case Field::kLength:
            return {offsetof(fw_packet, network_length), 32, 0, 0, 0};
        case Field::kTtl:
            return {offsetof(fw_packet, ttl), 8, 0, FW_TRAITS_IP, FW_TRAITS_IP};
        case Field::kDscp:
            return {offsetof(fw_packet, traffic_class), 8, 2, FW_TRAITS_IP, FW_TRAITS_IP};
        case Field::kVlan:
            return {offsetof(fw_packet, vlan_id), 16, 0, 0, 0};
        case Field::kMac:
            return {offsetof(fw_packet, source_mac), 64, 0, FW_TRAITS_ETHERNET, FW_TRAITS_ETHERNET};
        case Field::kEthertype:
            return {offsetof(fw_packet, ethertype), 16, 0, 0, 0};
        case Field::kState:
            return {offsetof(fw_packet, state), 8, 0, FW_TRAITS_IP, FW_TRAITS_IP};
    }
    return {};
}

fw_condition condition_of(Field field, const policy::Interval& interval) {
    const Location location = location_of(field);
    const std::uint64_t all =
        location.bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << location.bits) - 1;
    const std::size_t bit = location.offset % 8 * 8;
    fw_condition condition{};
    condition.kind = FW_CONDITION_FIELD;
    condition.word = static_cast<std::uint8_t>(location.offset / 8);
    condition.shift = static_cast<std::uint8_t>(
        (std::endian::native == std::endian::little ? bit : 64 - bit - location.bits) + location.shift);
    condition.mask = interval.mask & (all >> location.shift);
    condition.first = interval.first;
    condition.last = interval.last;
    // The language says of longer packets (GRO, jumbograms) that they are of the largest length.
    if (field == Field::kLength && interval.last == kLongest) condition.last = all;
    return condition;
}

fw_condition condition_of(const Membership& membership) {
    fw_condition condition{};
    condition.kind = FW_CONDITION_MEMBER;
    condition.flags = membership.negated ? FW_CONDITION_NOT : 0;
    condition.word = membership.side;
    condition.set = membership.set;
    return condition;
}

void end_group(std::vector<fw_condition>& list) {
    list.back().flags |= FW_CONDITION_GROUP_ENDS;
}

std::uint8_t reason_of(Action action) {
    switch (action) {
        case Action::kDeny:
            return FW_REASON_RULE_DENY;
        case Action::kReject:
            return FW_REASON_RULE_REJECT;
        case Action::kRedirect:
            return FW_REASON_RULE_REDIRECT;
        case Action::kSynproxy:
            return FW_REASON_RULE_SYNPROXY;
        case Action::kAllow:
        case Action::kCount:
        case Action::kLog:
            break;
    }
    return FW_REASON_RULE_ALLOW;
}

void require(fw_row& row, std::uint32_t traits, std::uint32_t mask) {
    row.traits |= traits;
    row.traits_mask |= mask;
}

bool matches(const policy::FieldMatch& match, std::uint64_t value) {
    return std::any_of(match.any_of.begin(), match.any_of.end(),
                       [value](const policy::Interval& interval) { return interval.contains(value); });
}

// A rule for ARP is asked by no IP packet, and one for frames of one IP version by that one alone.
void require_family(fw_row& row, const policy::FieldMatch& ethertypes) {
    if ((row.traits_mask & FW_TRAITS_FAMILY) != 0) return;
    const bool ipv4 = matches(ethertypes, ETH_P_IP);
    const bool ipv6 = matches(ethertypes, ETH_P_IPV6);
    if (!ipv4 && !ipv6) require(row, FW_FAMILY_NONE << 8, FW_TRAITS_FAMILY);
    const policy::Interval& first = ethertypes.any_of.front();
    const bool is_one =
        ethertypes.any_of.size() == 1 && first.mask == ~std::uint64_t{0} && first.first == first.last;
    if (is_one && ipv4) require(row, FW_FAMILY_IPV4 << 8, FW_TRAITS_FAMILY);
    if (is_one && ipv6) require(row, FW_FAMILY_IPV6 << 8, FW_TRAITS_FAMILY);
}

}  // namespace

Result<Address> Conditions::put(const policy::Rule& rule, const Service& service,
                                const std::vector<Membership>& memberships) {
    std::vector<fw_condition> list;
    if (service.source_port != policy::Range{}) {
        list.push_back(condition_of(Field::kSourcePort,
                                    {.first = service.source_port.first, .last = service.source_port.last}));
        end_group(list);
    }
    for (const policy::FieldMatch& match : rule.fields) {
        for (const policy::Interval& interval : match.any_of)
            list.push_back(condition_of(match.field, interval));
        end_group(list);
    }
    for (const Membership& membership : memberships) {
        list.push_back(condition_of(membership));
        end_group(list);
    }
    if (rule.expires != 0) {
        fw_condition condition{};
        condition.kind = FW_CONDITION_EXPIRES;
        condition.last = rule.expires;
        list.push_back(condition);
        end_group(list);
    }
    if (list.empty()) return 0;
    if (list.size() > FW_MAX_CONDITIONS)
        return fail(fmt::format("rule \"{}\" asks for {} values of its fields, the limit is {}; split it",
                                rule.name, list.size(), +FW_MAX_CONDITIONS));
    list.back().flags |= FW_CONDITION_LIST_ENDS;

    const std::size_t bytes = list.size() * sizeof(fw_condition);
    const auto [entry, is_new] =
        known_.try_emplace(std::string(reinterpret_cast<const char*>(list.data()), bytes), 0);
    if (is_new) {
        constexpr std::size_t kWords = sizeof(fw_condition) / sizeof(std::uint32_t);
        entry->second = bank_.reserve(list.size() * kWords, kWords);
        for (std::size_t i = 0; i < list.size(); ++i)
            bank_.set(entry->second + static_cast<Address>(i * kWords), list[i]);
    }
    return entry->second;
}

fw_row row_of(const policy::Rule& rule, const Service& service) {
    fw_row row{};
    row.selector_last = 65535;
    row.reason = static_cast<std::uint8_t>(reason_of(rule.action) | (rule.ban ? FW_ROW_BANS : 0));
    if (service.kind == Service::Kind::kProtocol)
        require(row, std::uint32_t{FW_TRAITS_IP} | service.protocol,
                std::uint32_t{FW_TRAITS_IP} | FW_TRAITS_PROTOCOL);
    if (service.family_bound) require(row, static_cast<std::uint32_t>(service.family) << 8, FW_TRAITS_FAMILY);
    if (service.has_selector) {
        require(row, FW_TRAITS_L4, FW_TRAITS_L4);
        row.selector_first = service.selector.first;
        row.selector_last = service.selector.last;
    }
    if (service.source_port != policy::Range{}) require(row, FW_TRAITS_PORTS, FW_TRAITS_PORTS);
    for (const policy::FieldMatch& match : rule.fields) {
        const Location location = location_of(match.field);
        require(row, location.traits, location.traits_mask);
        if (match.field == Field::kEthertype) require_family(row, match);
    }
    return row;
}

}  // namespace fwctl::compile
