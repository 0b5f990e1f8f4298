// Tells the segment of an interface that this host has an address: neighbours that know another MAC address
// for it, and switches, learn the new one.
//
// Promises: nothing is asked and nothing is waited for; what cannot be sent is left out. IPv4: a gratuitous
// ARP request and a gratuitous reply (RFC 5944, section 4.6; the request is the announcement of RFC 5227,
// section 2.3), as some neighbours take the one, some the other. IPv6: an unsolicited neighbour advertisement
// with the flag override (RFC 4861, section 7.2.6).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "net/address.h"
#include "net/interface.h"

namespace fwctl::net {

using Mac = std::array<std::uint8_t, 6>;

// What is sent to all, behind the Ethernet header.
std::vector<std::uint8_t> gratuitous_arp(const LocalAddress& address, const Mac& mac, bool reply);
// `router`: whether this host forwards IPv6, which each advertisement has to say as all others do (RFC 4861,
// section 7.2.5).
std::vector<std::uint8_t> unsolicited_advertisement(const LocalAddress& address, const Mac& mac, bool router);

// Once; the interface is an Ethernet device.
void announce(const Interface& interface, const LocalAddress& address);

}  // namespace fwctl::net
