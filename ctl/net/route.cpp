#include "net/route.h"

#include <netlink/route/route.h>
#include <netlink/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

namespace fwctl::net {
namespace {

struct FreeSocket {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
struct FreeAddress {
    void operator()(nl_addr* address) const { nl_addr_put(address); }
};
struct FreeRoute {
    void operator()(rtnl_route* route) const { rtnl_route_put(route); }
};

}  // namespace

Route route_to(const std::string& address) {
    const std::unique_ptr<nl_sock, FreeSocket> socket(nl_socket_alloc());
    nl_addr* parsed = nullptr;
    if (!socket || nl_connect(socket.get(), NETLINK_ROUTE) != 0) return {};
    if (nl_addr_parse(address.c_str(), AF_UNSPEC, &parsed) != 0) return {};
    const std::unique_ptr<nl_addr, FreeAddress> destination(parsed);
    rtnl_route* raw = nullptr;
    if (rtnl_route_lookup(socket.get(), destination.get(), &raw) != 0) return {};
    const std::unique_ptr<rtnl_route, FreeRoute> found(raw);
    Route route;
    if (rtnl_nexthop* hop = rtnl_route_nexthop_n(found.get(), 0))
        route.ifindex = rtnl_route_nh_get_ifindex(hop);
    if (nl_addr* source = rtnl_route_get_pref_src(found.get()))
        std::memcpy(route.source.data(), nl_addr_get_binary_addr(source),
                    std::min<std::size_t>(route.source.size(), nl_addr_get_len(source)));
    return route;
}

}  // namespace fwctl::net
