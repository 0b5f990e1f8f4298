#include "net/route.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "net/handles.h"

namespace fwctl::net {

Route route_to(const std::string& address) {
    const NlSocket socket(nl_socket_alloc());
    nl_addr* parsed = nullptr;
    if (!socket || nl_connect(socket.get(), NETLINK_ROUTE) != 0) return {};
    if (nl_addr_parse(address.c_str(), AF_UNSPEC, &parsed) != 0) return {};
    const NlAddress destination(parsed);
    rtnl_route* raw = nullptr;
    if (rtnl_route_lookup(socket.get(), destination.get(), &raw) != 0) return {};
    const NlRoute found(raw);
    Route route;
    if (rtnl_nexthop* hop = rtnl_route_nexthop_n(found.get(), 0))
        route.ifindex = rtnl_route_nh_get_ifindex(hop);
    if (nl_addr* source = rtnl_route_get_pref_src(found.get()))
        std::memcpy(route.source.data(), nl_addr_get_binary_addr(source),
                    std::min<std::size_t>(route.source.size(), nl_addr_get_len(source)));
    return route;
}

}  // namespace fwctl::net
