// The oracle: which rule decides about a packet, asked in the slowest and most obvious way.
//
// Promises: no state but the buckets, no shortcut but one: the elements of a set are searched by halves.
// Tests compare the compiled classifier with it; nothing at run time uses it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/model.h"

namespace fwctl::policy {

// What the parser found in a packet. Numbers in host byte order, addresses in network byte order. What the
// packet lacks stays as it is here.
struct PacketView {
    std::optional<std::uint64_t> mac;  // source address; absent: the packet starts at the IP header
    std::uint16_t vlan = kNoVlan;      // id of the outermost tag
    std::uint16_t ethertype = 0;       // behind all VLAN tags
    std::uint32_t length = 0;          // bytes from the network header on
    std::optional<Family> family;      // absent: not IP, what follows does not count
    std::array<std::uint8_t, 16> source{};
    std::array<std::uint8_t, 16> destination{};
    std::uint8_t ttl = 0;
    std::uint8_t dscp = 0;
    FragmentKind fragment = FragmentKind::kNone;
    std::uint8_t protocol = 0;  // behind all extension headers
    bool has_l4 = false;        // the three below are valid: never so in a later fragment
    std::uint16_t source_port = 0;
    std::uint16_t selector = 0;  // destination port, or ICMP type * 256 + code
    std::uint8_t tcp_flags = 0;
    std::optional<FlowState> state;  // absent: it is not said; to rules that is untracked

    Direction direction = Direction::kIn;  // kIn or kOut
    std::vector<std::string> interfaces;   // the names of the one it passes: the attachment's, the device's
    std::uint64_t now = 0;                 // nanoseconds of CLOCK_MONOTONIC

    // Whether it is of TCP, UDP or SCTP, with the ports in it.
    [[nodiscard]] bool has_ports() const;
    bool operator==(const PacketView&) const = default;
};

// The number that a rule can ask for; nullopt: the packet has none.
std::optional<std::uint64_t> value_of(Field field, const PacketView& packet);

// What was put into a set live.
struct Member {
    Prefix prefix;
    std::uint64_t expires = 0;  // nanoseconds of CLOCK_MONOTONIC; 0: never
    bool operator==(const Member&) const = default;
};

// What rules name. A set that is in neither is empty.
struct Context {
    const std::vector<Set>* sets = nullptr;                   // the policy's
    std::map<std::string, std::vector<Member>> members = {};  // by the set's name
};

// The buckets of rules with a rate, each counted in tokens as a person would: it fills as time goes by and a
// packet takes out of it. Exact while burst * period in nanoseconds is below 2^63.
class Buckets {
public:
    std::uint64_t now = 0;  // nanoseconds; never goes back

    // Whether the packet's bucket, now, has its tokens; then they are taken.
    bool take(const Rule& rule, const PacketView& packet);

private:
    struct Level {
        std::uint64_t tokens = 0;  // times the nanoseconds of the period
        std::uint64_t time = 0;
    };
    std::map<std::string, Level> levels_;  // by the rule's name and whose bucket it is
};

// All but the rate. The rules that the parser judges match nothing here.
bool matches(const Rule& rule, const PacketView& packet, const Context& context = {});

// Indices of rules. `rule` is the first that matches and ends the search; nullopt: the default decides.
// `counted` are those of `count` and `log` in front of it that match, in their order. Without `buckets` all
// buckets are full.
struct Verdict {
    std::optional<std::size_t> rule = std::nullopt;
    std::vector<std::size_t> counted = {};
    bool operator==(const Verdict&) const = default;
};
Verdict evaluate(const std::vector<Rule>& rules, const PacketView& packet, const Context& context = {},
                 Buckets* buckets = nullptr);

// Its `rule` alone.
std::optional<std::size_t> first_match(const std::vector<Rule>& rules, const PacketView& packet,
                                       const Context& context = {});

}  // namespace fwctl::policy
