// The routes of this network namespace, from the kernel by libnl-3.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace fwctl::net {

struct Route {
    int ifindex = 0;                        // of the interface that packets leave by; 0: there is no route
    std::array<std::uint8_t, 16> source{};  // that they are sent from; IPv4 in the first four bytes
};

// The way to an address, as text.
Route route_to(const std::string& address);

}  // namespace fwctl::net
