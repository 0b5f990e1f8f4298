// The addresses of the interfaces of this network namespace, and single ones of our own among them.
//
// Promises: which ones are ours the kernel knows (IFA_PROTO, Linux 5.18), so that they can be told from all
// others after whatever has happened to the process that put them there. None of ours is the source of what
// this host sends by itself: IPv4 has the scope of the host, IPv6 is deprecated from the start (RFC 6724,
// section 5, rule 3), which yields to every other address of a scope that fits. There is no duplicate address
// detection, which would keep an IPv6 address from serving at first.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace fwctl::net {

struct LocalAddress {
    int ifindex = 0;
    bool ipv6 = false;
    std::array<std::uint8_t, 16> address{};  // in network byte order; IPv4 in the first four bytes
    auto operator<=>(const LocalAddress&) const = default;

    [[nodiscard]] std::string text() const;  // without the interface
};

// One that an interface has.
struct HeldAddress {
    LocalAddress address;
    bool ours = false;
};

Result<std::vector<HeldAddress>> list_addresses();

// Puts one of ours on its interface. What is there already stays as it is, whoever has put it there.
Status add_address(const LocalAddress& address);

// Takes away what list_addresses() has called ours; that it is gone already, or its interface, is no error.
Status remove_address(const LocalAddress& address);

// Whether the interface can have IPv6 addresses: the kernel's module is there, and disable_ipv6 is not set.
bool takes_ipv6(const std::string& interface);

}  // namespace fwctl::net
