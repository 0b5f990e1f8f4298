#include "net/route.h"

#include <netlink/route/route.h>
#include <netlink/socket.h>

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

int route_interface(const std::string& address) {
    const std::unique_ptr<nl_sock, FreeSocket> socket(nl_socket_alloc());
    nl_addr* parsed = nullptr;
    if (!socket || nl_connect(socket.get(), NETLINK_ROUTE) != 0) return 0;
    if (nl_addr_parse(address.c_str(), AF_UNSPEC, &parsed) != 0) return 0;
    const std::unique_ptr<nl_addr, FreeAddress> destination(parsed);
    rtnl_route* raw = nullptr;
    if (rtnl_route_lookup(socket.get(), destination.get(), &raw) != 0) return 0;
    const std::unique_ptr<rtnl_route, FreeRoute> route(raw);
    rtnl_nexthop* hop = rtnl_route_nexthop_n(route.get(), 0);
    return hop == nullptr ? 0 : rtnl_route_nh_get_ifindex(hop);
}

}  // namespace fwctl::net
