// The packets that exist, as points of a space, and sets of them as boxes in it.
//
// A packet is what docs/parsing.md lets through to the rules. It is of one of 13 kinds, which say what it
// has:
//
//     not IP                                  ethertype: any but those of IPv4, IPv6 and VLAN tags
//     IPv4 and IPv6, each: TCP, UDP, SCTP,    a layer-4 header: selector (destination port, or type and
//       ICMP (of its own version)             code); source port but for ICMP; flags with TCP alone
//     … other protocols                       protocol: none of those above, in IPv6 no extension header
//     … later fragments                       protocol: any; no layer-4 header
//
// All that is IP has addresses, TTL and DSCP, and is whole or a first fragment but for the later ones; whole
// packets with a fragment header ("atomic") are IPv6. Everything has a length, not less than its headers, a
// VLAN id or none, a direction and a class of interface names (names.h). A link without Ethernet gives
// neither MAC address nor VLAN tag, and what is not IP there has ethertype 0.
//
// What is not known when a policy is checked is a dimension of its own, 0 or 1, with a name: whether an
// address is in a dynamic set, whether a rule has expired. Nothing is concluded from it but that it is the
// same wherever it has the same name, so that what is concluded holds however it turns out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analyze/ranges.h"
#include "policy/model.h"

namespace fwctl::analyze {

using policy::Action;
using policy::Addresses;
using policy::Defaults;
using policy::Direction;
using policy::Family;
using policy::Field;
using policy::FieldMatch;
using policy::FragmentKind;
using policy::Interval;
using policy::Origin;
using policy::Policy;
using policy::Prefix;
using policy::Rule;
using policy::Service;
using policy::Set;

using Dimension = std::uint32_t;
enum : Dimension {
    kKind,
    kSource,
    kDestination,
    kSelector,
    kProtocol,
    kInterface,
    kSourcePort,
    kFlags,
    kFragment,
    kLength,
    kTtl,
    kDscp,
    kVlan,
    kMac,
    kEthertype,
    kState,
    kWay,              // 0 in, 1 out
    kKnownDimensions,  // from here on: what is not known
};

// The values that a box has in one dimension: not empty.
struct Part {
    Dimension dimension = kKind;
    const Ranges* values = nullptr;
    bool operator==(const Part&) const = default;
};

// A part for each dimension that it narrows, by dimension.
using Box = std::vector<Part>;

// Whether they have something in common; `disjoint` compares two parts' values.
template <typename Disjoint>
bool intersect(const Box& one, const Box& other, Disjoint disjoint) {
    auto at = other.begin();
    return std::all_of(one.begin(), one.end(), [&](const Part& part) {
        while (at != other.end() && at->dimension < part.dimension) {
            ++at;
        }
        return at == other.end() || at->dimension != part.dimension || at->values == part.values ||
               !disjoint(at->values, part.values);
    });
}
bool intersect(const Box& one, const Box& other);

// A set of kinds, a bit for each.
using Kinds = std::uint32_t;
inline constexpr Kinds kNotIp = 1;
inline constexpr Kinds kAllKinds = (1U << 13) - 1;
enum class Layer4 : std::uint8_t { kTcp, kUdp, kSctp, kIcmp, kOther, kLater };
Kinds kind_of(Family family, Layer4 layer4);
Kinds kinds_of(Family family);
// What whole packets and first fragments of the protocol are.
Layer4 layer4_of(Family family, std::uint8_t protocol);

inline constexpr std::uint16_t kEthertypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEthertypeIpv6 = 0x86dd;

class Space {
public:
    explicit Space(std::size_t interface_classes);
    Space(const Space&) = delete;
    Space(Space&&) = delete;
    Space& operator=(const Space&) = delete;
    Space& operator=(Space&&) = delete;
    ~Space() = default;

    [[nodiscard]] std::size_t dimensions() const { return everything_.size(); }
    [[nodiscard]] const Ranges* everything(Dimension dimension) const { return everything_[dimension]; }
    [[nodiscard]] const Ranges* every_address(Family family) const;
    // The boxes that together are all packets.
    [[nodiscard]] const std::vector<Box>& packets() const { return packets_; }

    // The dimension for what is not known, one for each name.
    Dimension unknown(const std::string& name);

    const Ranges* keep(Ranges ranges) { return pool_.keep(std::move(ranges)); }
    // Of two that are kept: compares large ones once.
    bool disjoint(const Ranges* one, const Ranges* other) { return pool_.disjoint(one, other); }
    [[nodiscard]] const Ranges* kinds(Kinds kinds);

    // The part of the box with those values. False when there is none.
    bool narrow(Box& box, Dimension dimension, const Ranges& values);

private:
    void add_packets(const Box& link, bool has_ethernet);
    void add_ip_packets(const Box& link, Family family);
    void add_packet(Box box, Kinds kinds, std::uint32_t shortest);

    RangePool pool_;
    std::vector<const Ranges*> everything_;
    std::vector<Box> packets_;
    std::map<std::string, Dimension> unknown_;
};

}  // namespace fwctl::analyze
