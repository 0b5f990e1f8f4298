#include "policy/icmp.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace fwctl::policy {

namespace {

constexpr int kAnyCode = -1;

struct IcmpName {
    std::string_view name;
    std::uint8_t type;
    int code = kAnyCode;
};

// In both tables the first name of a message is the one that is printed.
constexpr std::array kIcmpNames = {
    IcmpName{"echo-reply", 0},
    IcmpName{"pong", 0},
    IcmpName{"destination-unreachable", 3},
    IcmpName{"network-unreachable", 3, 0},
    IcmpName{"host-unreachable", 3, 1},
    IcmpName{"protocol-unreachable", 3, 2},
    IcmpName{"port-unreachable", 3, 3},
    IcmpName{"fragmentation-needed", 3, 4},
    IcmpName{"source-route-failed", 3, 5},
    IcmpName{"network-unknown", 3, 6},
    IcmpName{"host-unknown", 3, 7},
    IcmpName{"network-prohibited", 3, 9},
    IcmpName{"host-prohibited", 3, 10},
    IcmpName{"tos-network-unreachable", 3, 11},
    IcmpName{"tos-host-unreachable", 3, 12},
    IcmpName{"communication-prohibited", 3, 13},
    IcmpName{"host-precedence-violation", 3, 14},
    IcmpName{"precedence-cutoff", 3, 15},
    IcmpName{"source-quench", 4},
    IcmpName{"redirect", 5},
    IcmpName{"network-redirect", 5, 0},
    IcmpName{"host-redirect", 5, 1},
    IcmpName{"tos-network-redirect", 5, 2},
    IcmpName{"tos-host-redirect", 5, 3},
    IcmpName{"echo-request", 8},
    IcmpName{"ping", 8},
    IcmpName{"router-advertisement", 9},
    IcmpName{"router-solicitation", 10},
    IcmpName{"time-exceeded", 11},
    IcmpName{"ttl-exceeded", 11},
    IcmpName{"ttl-zero-during-transit", 11, 0},
    IcmpName{"ttl-zero-during-reassembly", 11, 1},
    IcmpName{"parameter-problem", 12},
    IcmpName{"ip-header-bad", 12, 0},
    IcmpName{"required-option-missing", 12, 1},
    IcmpName{"timestamp-request", 13},
    IcmpName{"timestamp-reply", 14},
    IcmpName{"info-request", 15},
    IcmpName{"info-reply", 16},
    IcmpName{"address-mask-request", 17},
    IcmpName{"address-mask-reply", 18},
};

constexpr std::array kIcmp6Names = {
    IcmpName{"destination-unreachable", 1},
    IcmpName{"no-route", 1, 0},
    IcmpName{"communication-prohibited", 1, 1},
    IcmpName{"beyond-scope", 1, 2},
    IcmpName{"address-unreachable", 1, 3},
    IcmpName{"port-unreachable", 1, 4},
    IcmpName{"failed-policy", 1, 5},
    IcmpName{"reject-route", 1, 6},
    IcmpName{"packet-too-big", 2},
    IcmpName{"time-exceeded", 3},
    IcmpName{"ttl-exceeded", 3},
    IcmpName{"ttl-zero-during-transit", 3, 0},
    IcmpName{"ttl-zero-during-reassembly", 3, 1},
    IcmpName{"parameter-problem", 4},
    IcmpName{"bad-header", 4, 0},
    IcmpName{"unknown-header-type", 4, 1},
    IcmpName{"unknown-option", 4, 2},
    IcmpName{"echo-request", 128},
    IcmpName{"ping", 128},
    IcmpName{"echo-reply", 129},
    IcmpName{"pong", 129},
    IcmpName{"mld-listener-query", 130},
    IcmpName{"mld-listener-report", 131},
    IcmpName{"mld-listener-done", 132},
    IcmpName{"mld-listener-reduction", 132},
    IcmpName{"router-solicitation", 133},
    IcmpName{"nd-router-solicit", 133},
    IcmpName{"router-advertisement", 134},
    IcmpName{"nd-router-advert", 134},
    IcmpName{"neighbor-solicitation", 135},
    IcmpName{"neighbour-solicitation", 135},
    IcmpName{"nd-neighbor-solicit", 135},
    IcmpName{"neighbor-advertisement", 136},
    IcmpName{"neighbour-advertisement", 136},
    IcmpName{"nd-neighbor-advert", 136},
    IcmpName{"redirect", 137},
    IcmpName{"nd-redirect", 137},
    IcmpName{"router-renumbering", 138},
    IcmpName{"inverse-neighbor-solicitation", 141},
    IcmpName{"ind-neighbor-solicit", 141},
    IcmpName{"inverse-neighbor-advertisement", 142},
    IcmpName{"ind-neighbor-advert", 142},
    IcmpName{"mld2-listener-report", 143},
};

std::span<const IcmpName> table(Family family) {
    if (family == Family::kIpv4) {
        return kIcmpNames;
    }
    return kIcmp6Names;
}

Range selector(const IcmpName& row) {
    return row.code == kAnyCode ? icmp_types(row.type, row.type)
                                : icmp_code(row.type, static_cast<std::uint8_t>(row.code));
}

constexpr unsigned kLastByte = 255;

std::string_view prefix(Family family) {
    return family == Family::kIpv4 ? "icmp" : "icmp6";
}

const IcmpName* find_name(Family family, std::string_view name) {
    const auto rows = table(family);
    const auto row =
        std::find_if(rows.begin(), rows.end(), [name](const IcmpName& known) { return known.name == name; });
    return row == rows.end() ? nullptr : &*row;
}

tl::unexpected<Error> refuse_name(Family family, std::string_view text, std::string_view name) {
    const Family other = family == Family::kIpv4 ? Family::kIpv6 : Family::kIpv4;
    if (find_name(other, name) != nullptr) {
        return refuse(fmt::format("\"{0}\" is a type of {1}: write {1}/{0}", name, prefix(other)));
    }
    std::vector<std::string_view> names;
    for (const IcmpName& row : table(family)) {
        names.push_back(row.name);
    }
    const auto meant = nearest(name, names);
    return refuse(fmt::format("unknown ICMP type \"{}\" in \"{}/{}\"{}", name, prefix(family), text,
                              meant ? fmt::format("; did you mean \"{}\"?", *meant) : ""));
}

// `what` is type or code.
Result<std::uint8_t> parse_byte(Family family, std::string_view text, std::string_view digits,
                                std::string_view what) {
    const auto number = parse_number(digits, kLastByte);
    if (!number) {
        return refuse(fmt::format("\"{}\" in \"{}/{}\" is not an ICMP {} (0 to {})", digits, prefix(family),
                                  text, what, kLastByte));
    }
    return static_cast<std::uint8_t>(*number);
}

Result<Range> parse_types(Family family, std::string_view text, std::string_view first_digits,
                          std::string_view last_digits) {
    const auto first = parse_byte(family, text, first_digits, "type");
    const auto last = parse_byte(family, text, last_digits, "type");
    if (!first || !last) {
        return tl::unexpected<Error>(first ? last.error() : first.error());
    }
    if (*first > *last) {
        return refuse(fmt::format("the range in \"{0}/{1}\" runs backwards; did you mean \"{0}/{2}-{3}\"?",
                                  prefix(family), text, *last, *first));
    }
    return icmp_types(*first, *last);
}

// What stands before the code: a name, a number or a range.
Result<Range> parse_message(Family family, std::string_view text, std::string_view message) {
    if (is_digits(message)) {
        return parse_types(family, text, message, message);
    }
    if (const auto range = split_range(message)) {
        return parse_types(family, text, range->first, range->second);
    }
    const IcmpName* name = find_name(family, message);
    return name == nullptr ? refuse_name(family, text, message) : Result<Range>(selector(*name));
}

}  // namespace

Range icmp_types(std::uint8_t first, std::uint8_t last) {
    return {static_cast<std::uint16_t>(first * 256), static_cast<std::uint16_t>(last * 256 + 255)};
}

Range icmp_code(std::uint8_t type, std::uint8_t code) {
    const auto value = static_cast<std::uint16_t>(type * 256 + code);
    return {value, value};
}

Result<Range> parse_icmp(Family family, std::string_view text) {
    const std::size_t slash = text.find('/');
    auto message = parse_message(family, text, text.substr(0, slash));
    if (!message || slash == std::string_view::npos) {
        return message;
    }
    const auto code = parse_byte(family, text, text.substr(slash + 1), "code");
    if (!code) {
        return tl::unexpected<Error>(code.error());
    }
    const auto type = static_cast<std::uint8_t>(message->first / 256);
    if (*message != icmp_types(type, type)) {
        return refuse(
            fmt::format("\"{}/{}\" gives a code to what is not one whole type", prefix(family), text));
    }
    return icmp_code(type, *code);
}

std::string format_icmp(Family family, Range wanted) {
    for (const IcmpName& row : table(family)) {
        if (selector(row) == wanted) {
            return std::string(row.name);
        }
    }
    const int first = wanted.first / 256;
    const int last = wanted.last / 256;
    if (wanted.first == wanted.last) {
        return fmt::format("{}/{}", first, wanted.first % 256);
    }
    return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

}  // namespace fwctl::policy
