// One packet in words, as `fwctl explain` and [[test]] have it:
//
//     tcp 198.51.100.7:40000 > 203.0.113.10:443 syn on wan
//     udp [2001:db8::1]:53 > [2001:db8::2]:40000 on eth0 out vlan 10
//     icmp/echo-request 192.0.2.1 > 192.0.2.2 ttl 1 length 84
//     gre 192.0.2.1 > 192.0.2.2 fragment later          arp on eth0
//
// The protocol is a name, a number, or an ethertype for what is not IP; ICMP has its type and code behind a
// slash. What follows the addresses stands in any order: TCP flags (none: without any), `on` an interface or
// the name of an attachment, in or out, and vlan, ttl, length, dscp, fragment (first, later, atomic), mac and
// state with a value as in field.h.
//
// What is left out: source port 40000, flags syn, in, ttl 64, the length of the headers, no tag, whole, the
// state that the programs find.
//
// Promises: every mistake is reported at its column. What is read can be on a wire, and
// parse_packet(format_packet(p)) == p for every such packet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "base/diagnostic.h"
#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::policy {

// Where a packet passes.
struct PacketPlace {
    std::string interface;  // as written; empty: not said
    Direction direction = Direction::kIn;
    bool operator==(const PacketPlace&) const = default;
};

// Of the packet, `interfaces` and `now` stay as they are by default, and `direction` says the place's.
// A `mac` that is not written is absent.
struct PacketText {
    PacketView packet;
    PacketPlace place;
    bool operator==(const PacketText&) const = default;
};

// `name` is what the diagnostics call the text.
tl::expected<PacketText, Diagnostics> parse_packet(std::string_view text, std::string_view name = "packet");

// The words `on IF` and `in` or `out` alone.
tl::expected<PacketPlace, Diagnostics> parse_packet_place(std::string_view text,
                                                          std::string_view name = "packet");

std::string format_packet(const PacketText& text);

// The bytes of the packet's headers from the network header on: no packet of that kind is shorter.
std::uint32_t shortest_length(const PacketView& packet);

}  // namespace fwctl::policy
