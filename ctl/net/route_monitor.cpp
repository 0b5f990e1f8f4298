#include "net/route_monitor.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <utility>

namespace fwctl::net {

void RouteMonitor::Free::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

Result<RouteMonitor> RouteMonitor::open() {
    Socket socket(nl_socket_alloc());
    if (!socket) return fail("out of memory");
    nl_socket_disable_seq_check(socket.get());
    int error = nl_connect(socket.get(), NETLINK_ROUTE);
    if (error == 0) error = nl_socket_set_nonblocking(socket.get());
    for (const int group : {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                            RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE})
        if (error == 0) error = nl_socket_add_membership(socket.get(), group);
    if (error != 0) return fail(fmt::format("cannot follow the routes: {}", nl_geterror(error)));
    return RouteMonitor(std::move(socket));
}

int RouteMonitor::fd() const {
    return nl_socket_get_fd(socket_.get());
}

// Also that it was too much: the socket has room again then.
void RouteMonitor::clear() const {
    while (nl_recvmsgs_default(socket_.get()) == 0) continue;
}

}  // namespace fwctl::net
