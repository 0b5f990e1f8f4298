#include "net/link_monitor.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <utility>

#include "net/interface.h"

namespace fwctl::net {

void LinkMonitor::Free::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

Result<LinkMonitor::Known> LinkMonitor::look() {
    auto all = list_interfaces();
    if (!all) return tl::unexpected(all.error());
    auto addresses = list_addresses();
    if (!addresses) return tl::unexpected(addresses.error());
    Known known;
    for (const Interface& one : *all) {
        known.interfaces.emplace(one.ifindex, one.name, one.master);
        if (one.running) known.running.emplace(one.ifindex, one.mac, one.carrier_changes);
    }
    for (const HeldAddress& one : *addresses)
        if (one.ours) known.ours.insert(one.address);
    return known;
}

Result<LinkMonitor> LinkMonitor::open() {
    Socket socket(nl_socket_alloc());
    if (!socket) return fail("out of memory");
    nl_socket_disable_seq_check(socket.get());
    int error = nl_connect(socket.get(), NETLINK_ROUTE);
    if (error == 0) error = nl_socket_set_nonblocking(socket.get());
    for (const int group : {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR})
        if (error == 0) error = nl_socket_add_membership(socket.get(), group);
    if (error != 0) return fail(fmt::format("cannot follow the interfaces: {}", nl_geterror(error)));
    auto known = look();  // behind the membership, so that nothing is missed
    if (!known) return tl::unexpected(known.error());
    return LinkMonitor(std::move(socket), std::move(*known));
}

int LinkMonitor::fd() const {
    return nl_socket_get_fd(socket_.get());
}

Result<LinkChange> LinkMonitor::changed() {
    // Whatever it says, and also that it was too much: all is listed anew.
    while (nl_recvmsgs_default(socket_.get()) == 0) continue;
    auto now = look();
    if (!now) return tl::unexpected(now.error());
    const Known before = std::exchange(known_, std::move(*now));
    LinkChange change;
    change.others = before.interfaces != known_.interfaces || before.ours != known_.ours;
    for (const auto& one : known_.running)
        if (!before.running.contains(one)) change.risen.insert(std::get<int>(one));
    return change;
}

}  // namespace fwctl::net
