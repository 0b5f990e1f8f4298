// Which packets a rule of another firewall is about, and the algebra of that: both, but not.
//
// A Match asks one thing of each part of a packet, all of which have to hold; a Condition is a list of them,
// one of which has to. Chains that are asked from others, and left by RETURN, need no more than that:
// a rule behind `-s A -j CHAIN` holds for both conditions, one behind a RETURN for its own but not the
// RETURN's.
//
// Promises: exact. What cannot be said is an error with its reason, never something near.
//
// Parts that not every packet has are asked only beside what makes sure that it is there, in the order of
// Axis: a port beside a protocol with ports and the fragment that has them. That makes but_not() right, which
// goes through the parts in this order. The constructors of conditions.h see to it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "import/numbers.h"
#include "policy/model.h"

namespace fwctl::importer {

enum class Axis : std::size_t {
    kDirection,  // 0: in, 1: out
    kEthertype,
    kProtocol,
    kFragment,  // policy::FragmentKind
    kSelector,  // destination port, or ICMP type * 256 + code
    kSourcePort,
    kTcpFlags,
    kLength,
    kTtl,
    kDscp,
    kState,  // policy::FlowState
    kVlan,
    kMac,
    kSource,  // addresses are asked for beside a single family
    kDestination,
};
inline constexpr std::size_t kAxes = 15;

inline constexpr std::uint16_t kEthertypeIp = 0x0800;
inline constexpr std::uint16_t kEthertypeIp6 = 0x86dd;

// The largest value of a part of any packet.
Number largest_of(Axis axis);

// The largest address of IPv4 or IPv6.
Number largest_address(policy::Family family);

// That an address is, or is not, in a set whose elements are not known here.
struct SetTest {
    Axis side = Axis::kSource;
    std::string set;
    bool inside = true;
    bool operator==(const SetTest&) const = default;
};

struct Match {
    Match();  // every packet
    Numbers& operator[](Axis axis) { return parts[static_cast<std::size_t>(axis)]; }
    const Numbers& operator[](Axis axis) const { return parts[static_cast<std::size_t>(axis)]; }
    [[nodiscard]] bool asks(Axis axis) const;
    // The one IP version that it is about.
    [[nodiscard]] std::optional<policy::Family> family() const;
    bool operator==(const Match&) const = default;

    std::array<Numbers, kAxes> parts;
    std::vector<SetTest> sets;        // all of them
    std::vector<std::string> on;      // one of them: names, or beginnings of names with * behind; empty: any
    std::vector<std::string> not_on;  // none of them
};

using Condition = std::vector<Match>;

// Of every packet.
inline Condition always() {
    return {Match()};
}

// nullopt: no packet is both.
std::optional<Match> both(const Match& one, const Match& other);
Condition both(const Condition& one, const Condition& other);

// The packets of `what` that are not of `hole`; those of one Match of the result are in no other one if that
// holds for `what`. An error when the language lacks the words or the list would get very long.
Result<Condition> but_not(const Condition& what, const Condition& hole);

// The same packets, each in one Match only.
Result<Condition> disjoint(const Condition& condition);

// Whether every name of the pattern `inner` is one of `outer`.
bool pattern_covers(const std::string& outer, const std::string& inner);

}  // namespace fwctl::importer
