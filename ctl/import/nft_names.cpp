#include "import/nft_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "import/conditions.h"
#include "policy/field.h"
#include "policy/icmp.h"

namespace fwctl::importer {

namespace {

using policy::Family;
using policy::RejectWith;

struct Name {
    std::string_view name;
    std::uint64_t value;
};

constexpr std::array kEthertypes = {Name{"ip", 0x0800},    Name{"arp", 0x0806},    Name{"ip6", 0x86dd},
                                    Name{"8021q", 0x8100}, Name{"8021ad", 0x88a8}, Name{"vlan", 0x8100}};
constexpr std::array kIcmpCodes = {Name{"net-unreachable", 0},  Name{"host-unreachable", 1},
                                   Name{"prot-unreachable", 2}, Name{"port-unreachable", 3},
                                   Name{"frag-needed", 4},      Name{"net-prohibited", 9},
                                   Name{"host-prohibited", 10}, Name{"admin-prohibited", 13}};
constexpr std::array kIcmp6Codes = {Name{"no-route", 0},         Name{"admin-prohibited", 1},
                                    Name{"addr-unreachable", 3}, Name{"port-unreachable", 4},
                                    Name{"policy-fail", 5},      Name{"reject-route", 6}};
constexpr std::array kDscps = {Name{"df", 0}, Name{"be", 0}, Name{"lephb", 1}};
constexpr std::array kNftFlags = {Name{"fin", 0x01}, Name{"syn", 0x02}, Name{"rst", 0x04}, Name{"psh", 0x08},
                                  Name{"ack", 0x10}, Name{"urg", 0x20}, Name{"ecn", 0x40}, Name{"cwr", 0x80}};

// enum nf_ct_state_bits of the kernel.
constexpr std::array kStates = {Name{"invalid", 0x01}, Name{"established", 0x02}, Name{"related", 0x04},
                                Name{"new", 0x08}, Name{"untracked", 0x40}};

std::span<const Name> names_of(NftType type) {
    switch (type) {
        case NftType::kEthertype:
            return kEthertypes;
        case NftType::kIcmpCode:
            return kIcmpCodes;
        case NftType::kIcmp6Code:
            return kIcmp6Codes;
        case NftType::kDscp:
            return kDscps;
        case NftType::kTcpFlags:
            return kNftFlags;
        case NftType::kCtState:
            return kStates;
        default:
            return {};
    }
}

std::optional<std::uint64_t> number(std::string_view word) {
    const bool is_hex = word.substr(0, 2) == "0x";
    const std::string_view digits = word.substr(is_hex ? 2 : 0);
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value, is_hex ? 16 : 10);
    return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

std::optional<std::uint64_t> icmp_type(Family family, std::string_view word) {
    const auto range = policy::parse_icmp(family, word);
    return range ? std::optional<std::uint64_t>(range->first / 256) : std::nullopt;
}

std::optional<std::uint64_t> field_value(policy::Field field, std::string_view word) {
    const auto interval = policy::parse_field(field, word);
    return interval && interval->first == interval->last ? std::optional(interval->first) : std::nullopt;
}

// By what is not in the tables above.
std::optional<std::uint64_t> other_name(NftType type, std::string_view word) {
    switch (type) {
        case NftType::kIcmpType:
            return icmp_type(Family::kIpv4, word);
        case NftType::kIcmp6Type:
            return icmp_type(Family::kIpv6, word);
        case NftType::kDscp:
            return field_value(policy::Field::kDscp, word);
        case NftType::kMac:
            return field_value(policy::Field::kMac, word);
        case NftType::kProtocol:
            if (const auto protocol = parse_protocol(word)) {
                return *protocol;
            }
            return std::nullopt;
        case NftType::kPort:
            if (const auto port = parse_port(word)) {
                return *port;
            }
            return std::nullopt;
        default:
            return std::nullopt;
    }
}

struct RejectRow {
    std::string_view type;
    std::string_view expression;
    NftReject reject;
};
constexpr std::array kNftRejects = {
    RejectRow{"tcp reset", "", {RejectWith::kTcpReset, ""}},
    RejectRow{"icmp", "port-unreachable", {RejectWith::kPortUnreachable, ""}},
    RejectRow{"icmp", "host-unreachable", {RejectWith::kHostUnreachable, ""}},
    RejectRow{"icmp", "net-unreachable", {RejectWith::kHostUnreachable, "host-unreachable"}},
    RejectRow{"icmp", "prot-unreachable", {RejectWith::kPortUnreachable, "port-unreachable"}},
    RejectRow{"icmp", "admin-prohibited", {RejectWith::kAdminProhibited, ""}},
    RejectRow{"icmp", "host-prohibited", {RejectWith::kAdminProhibited, "admin-prohibited"}},
    RejectRow{"icmp", "net-prohibited", {RejectWith::kAdminProhibited, "admin-prohibited"}},
    RejectRow{"icmpv6", "port-unreachable", {RejectWith::kPortUnreachable, ""}},
    RejectRow{"icmpv6", "addr-unreachable", {RejectWith::kHostUnreachable, ""}},
    RejectRow{"icmpv6", "no-route", {RejectWith::kHostUnreachable, "addr-unreachable"}},
    RejectRow{"icmpv6", "reject-route", {RejectWith::kHostUnreachable, "addr-unreachable"}},
    RejectRow{"icmpv6", "admin-prohibited", {RejectWith::kAdminProhibited, ""}},
    RejectRow{"icmpv6", "policy-fail", {RejectWith::kAdminProhibited, "admin-prohibited"}},
    RejectRow{"icmpx", "port-unreachable", {RejectWith::kPortUnreachable, ""}},
    RejectRow{"icmpx", "host-unreachable", {RejectWith::kHostUnreachable, ""}},
    RejectRow{"icmpx", "no-route", {RejectWith::kHostUnreachable, "host-unreachable"}},
    RejectRow{"icmpx", "admin-prohibited", {RejectWith::kAdminProhibited, ""}},
};

}  // namespace

Result<std::uint64_t> nft_value(NftType type, std::string_view word) {
    if (const auto value = number(word)) {
        return *value;
    }
    for (const Name& name : names_of(type)) {
        if (name.name == word) {
            return name.value;
        }
    }
    if (const auto value = other_name(type, word)) {
        return *value;
    }
    return fail(fmt::format("`{}` is not understood", word));
}

Result<NftReject> nft_reject(std::string_view type, std::string_view expression) {
    const auto* row = std::find_if(kNftRejects.begin(), kNftRejects.end(), [&](const RejectRow& known) {
        return known.type == type && known.expression == expression;
    });
    if (row == kNftRejects.end()) {
        return fail(fmt::format("the answer `{} {}` has no counterpart", type, expression));
    }
    return row->reject;
}

}  // namespace fwctl::importer
