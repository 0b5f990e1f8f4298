// The routes of this network namespace, from the kernel by libnl-3.
#pragma once

#include <string>

namespace fwctl::net {

// The index of the interface by which packets to the address, as text, leave; 0: the kernel knows no route.
int route_interface(const std::string& address);

}  // namespace fwctl::net
