#include "net/handles.h"

#include <fmt/format.h>
#include <netlink/netlink.h>

namespace fwctl::net {

Result<NlSocket> connect_to_rtnetlink() {
    NlSocket socket(nl_socket_alloc());
    if (!socket) return fail("out of memory");
    if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error != 0)
        return fail(fmt::format("cannot talk to the kernel by netlink: {}", nl_geterror(error)));
    return socket;
}

}  // namespace fwctl::net
