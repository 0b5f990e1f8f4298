// Network namespaces.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace fwctl::net {

// Enters the network namespace alone, so that mounts such as the bpffs stay in sight. `name` is one of `ip
// netns` or the id of a process in it.
Status enter_namespace(const std::string& name);

// The number that no other network namespace has until the next boot (SO_NETNS_COOKIE, Linux 5.14).
Result<std::uint64_t> namespace_cookie();

// Whether the process is in the one that the host began with.
bool in_first_namespace();

}  // namespace fwctl::net
