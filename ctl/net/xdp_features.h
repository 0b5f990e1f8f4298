// What the drivers say of XDP (generic netlink family "netdev", Linux 6.3).
#pragma once

#include <set>

namespace fwctl::net {

// The indices of the interfaces of this network namespace whose drivers now take frames from the XDP programs
// of others (NETDEV_XDP_ACT_NDO_XMIT). Empty on a kernel that does not tell: it drops what it is given in
// vain, so that nothing may be tried.
std::set<int> redirect_targets();

}  // namespace fwctl::net
