// The policy as plain values: what a person wrote, understood, and nothing about how it is enforced.
//
// Promises: values only, compared with ==; a Rule's fields are canonical (see canonical() in rule.h), so that
// two rules which say the same are equal but for their names. Numbers are in host byte order, addresses in
// network byte order.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace fwctl::policy {

enum class Family : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

// An address block. `address` holds IPv4 in its first four bytes; the bits behind `length` are zero.
struct Prefix {
    Family family = Family::kIpv4;
    std::uint8_t length = 0;  // bits: 0 to 32 or 128
    std::array<std::uint8_t, 16> address{};
    auto operator<=>(const Prefix&) const = default;
};

// A closed range of numbers.
struct Range {
    std::uint16_t first = 0;
    std::uint16_t last = 65535;
    [[nodiscard]] bool contains(std::uint16_t value) const { return first <= value && value <= last; }
    auto operator<=>(const Range&) const = default;
};

// What a rule says of protocol and port: `any`, `icmp`, `tcp/22`, `udp/1000-2000`, `icmp6/echo-request`,
// `47`.
struct Service {
    enum class Kind : std::uint8_t {
        kAny,        // every packet, IP or not
        kProtocol,   // an IP protocol by number, in both families unless `family_bound`
        kEthertype,  // built-in rules only: frames that are not IP
    };
    Kind kind = Kind::kAny;
    std::uint8_t protocol = 0;
    bool family_bound = false;  // icmp holds for IPv4 and icmp6 for IPv6 alone
    Family family = Family::kIpv4;
    bool has_selector = false;  // false: every port or type, and later fragments too
    Range selector;             // destination port; for icmp and icmp6: type * 256 + code
    Range source_port;          // compared only when has_selector; built-in rules alone narrow it
    std::uint16_t ethertype = 0;
    auto operator<=>(const Service&) const = default;
};

enum class Action : std::uint8_t { kAllow, kDeny };
enum class Direction : std::uint8_t { kBoth, kIn, kOut };
enum class Origin : std::uint8_t { kBuiltin, kLive };

// An absent list matches everything: `from` empty is any source.
struct Rule {
    std::string name;
    Action action = Action::kDeny;
    std::vector<Service> services;  // never empty: Kind::kAny stands for everything
    std::vector<Prefix> from;
    std::vector<Prefix> to;
    std::vector<std::string> on;  // interface names; * and ? are wildcards
    Direction direction = Direction::kBoth;
    Origin origin = Origin::kLive;
    std::uint64_t expires = 0;  // nanoseconds of CLOCK_MONOTONIC; 0: never
    bool operator==(const Rule&) const = default;
};

// The rules in the order in which they are asked; the first that matches decides.
struct Policy {
    std::vector<Rule> rules;
    bool operator==(const Policy&) const = default;
};

}  // namespace fwctl::policy
