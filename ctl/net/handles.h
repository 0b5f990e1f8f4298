// What libnl gives, freed when its owner goes.
#pragma once

#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>

#include <memory>

#include "base/result.h"

namespace fwctl::net {

template <auto Free>
struct FreedBy {
    template <typename T>
    void operator()(T* handle) const {
        Free(handle);
    }
};

using NlSocket = std::unique_ptr<nl_sock, FreedBy<nl_socket_free>>;
using NlCache = std::unique_ptr<nl_cache, FreedBy<nl_cache_free>>;
using NlAddress = std::unique_ptr<nl_addr, FreedBy<nl_addr_put>>;
using NlRoute = std::unique_ptr<rtnl_route, FreedBy<rtnl_route_put>>;
using NlMessage = std::unique_ptr<nl_msg, FreedBy<nlmsg_free>>;

// For questions about interfaces, addresses and routes (rtnetlink).
Result<NlSocket> connect_to_rtnetlink();

}  // namespace fwctl::net
