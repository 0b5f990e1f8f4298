#include "net/xdp_features.h"

#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "net/handles.h"

namespace fwctl::net {
namespace {

// linux/netdev.h, which Debian 12's headers do not have.
constexpr std::uint8_t kDeviceGet = 1;
constexpr int kDeviceIfindex = 1;
constexpr int kDeviceXdpFeatures = 3;
constexpr std::uint64_t kNdoXmit = 1 << 2;

using Use = std::function<void(nlmsghdr*)>;

int hand_over(nl_msg* message, void* use) {
    (*static_cast<Use*>(use))(nlmsg_hdr(message));
    return NL_OK;
}

NlMessage request(int family, std::uint8_t command, int flags) {
    NlMessage message(nlmsg_alloc_simple(family, flags));
    const genlmsghdr header{command, 1, 0};
    if (message &&
        nlmsg_append(message.get(), const_cast<genlmsghdr*>(&header), sizeof(header), NLMSG_ALIGNTO) != 0)
        message.reset();
    return message;
}

// Calls `use` for each answer; errors are no answers.
void ask(nl_sock* socket, nl_msg* message, Use use) {
    nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, hand_over, &use);
    if (nl_send_auto(socket, message) >= 0) nl_recvmsgs_default(socket);
}

nlattr* attribute(nlmsghdr* answer, int type) {
    return nlmsg_find_attr(answer, sizeof(genlmsghdr), type);
}

int family_of_netdev(nl_sock* socket) {
    NlMessage message = request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
    if (!message || nla_put_string(message.get(), CTRL_ATTR_FAMILY_NAME, "netdev") != 0) return 0;
    int family = 0;
    ask(socket, message.get(), [&family](nlmsghdr* answer) {
        if (nlattr* id = attribute(answer, CTRL_ATTR_FAMILY_ID)) family = nla_get_u16(id);
    });
    return family;
}

}  // namespace

std::set<int> redirect_targets() {
    std::set<int> targets;
    const NlSocket socket(nl_socket_alloc());
    if (!socket || nl_connect(socket.get(), NETLINK_GENERIC) != 0) return targets;
    nl_socket_disable_auto_ack(socket.get());
    const int family = family_of_netdev(socket.get());
    if (family == 0) return targets;
    const NlMessage message = request(family, kDeviceGet, NLM_F_DUMP);
    if (!message) return targets;
    ask(socket.get(), message.get(), [&targets](nlmsghdr* answer) {
        nlattr* ifindex = attribute(answer, kDeviceIfindex);
        nlattr* features = attribute(answer, kDeviceXdpFeatures);
        if (ifindex != nullptr && features != nullptr && (nla_get_u64(features) & kNdoXmit) != 0)
            targets.insert(static_cast<int>(nla_get_u32(ifindex)));
    });
    return targets;
}

}  // namespace fwctl::net
