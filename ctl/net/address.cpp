#include "net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/file.h"
#include "net/handles.h"

namespace fwctl::net {
namespace {

// What IFA_PROTO says of ours. The kernel's own are 1 to 3, those of others nobody lists.
constexpr std::uint8_t kOurs = 0xfc;
constexpr std::uint32_t kForEver = 0xffffffff;
// While addresses come and go the kernel may say that a list is not whole.
constexpr int kMostDumps = 10;

std::uint8_t bytes_of(const LocalAddress& address) {
    return address.ipv6 ? sizeof(in6_addr) : sizeof(in_addr);
}

std::uint8_t bits_of(const LocalAddress& address) {
    return static_cast<std::uint8_t>(8 * bytes_of(address));
}

// Appends what the message says of an address, where it is of IPv4 or IPv6.
int note_address(nl_msg* message, void* held) {
    nlmsghdr* header = nlmsg_hdr(message);
    if (header->nlmsg_type != RTM_NEWADDR) return NL_SKIP;
    const auto* of = static_cast<const ifaddrmsg*>(nlmsg_data(header));
    nlattr* value = nlmsg_find_attr(header, sizeof(*of), IFA_LOCAL);
    if (value == nullptr) value = nlmsg_find_attr(header, sizeof(*of), IFA_ADDRESS);
    if (value == nullptr || (of->ifa_family != AF_INET && of->ifa_family != AF_INET6)) return NL_SKIP;
    HeldAddress one;
    one.address.ifindex = static_cast<int>(of->ifa_index);
    one.address.ipv6 = of->ifa_family == AF_INET6;
    std::memcpy(one.address.address.data(), nla_data(value),
                std::min<std::size_t>(bytes_of(one.address), static_cast<std::size_t>(nla_len(value))));
    const nlattr* proto = nlmsg_find_attr(header, sizeof(*of), IFA_PROTO);
    one.ours = proto != nullptr && nla_get_u8(proto) == kOurs && of->ifa_prefixlen == bits_of(one.address);
    static_cast<std::vector<HeldAddress>*>(held)->push_back(one);
    return NL_OK;
}

// Kept apart from the device's own name, which is how old programs ask for its address (SIOCGIFADDR): the
// kernel answers with the first that is so called.
std::string label_on(int ifindex) {
    constexpr std::string_view kEnding = ":vip";
    std::array<char, IF_NAMESIZE> name{};
    if_indextoname(static_cast<unsigned>(ifindex), name.data());
    return std::string(name.data()).substr(0, IF_NAMESIZE - 1 - kEnding.size()) + std::string(kEnding);
}

// Asks for a change of the address; an error of libnl, or 0.
int ask_for(int type, int flags, const LocalAddress& address) {
    auto socket = connect_to_rtnetlink();
    NlMessage message(nlmsg_alloc_simple(type, flags));
    if (!socket || !message) return -NLE_NOMEM;
    ifaddrmsg head{};
    head.ifa_family = address.ipv6 ? AF_INET6 : AF_INET;
    head.ifa_prefixlen = bits_of(address);
    head.ifa_scope = address.ipv6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_HOST;
    head.ifa_index = static_cast<std::uint32_t>(address.ifindex);
    int error = nlmsg_append(message.get(), &head, sizeof(head), NLMSG_ALIGNTO);
    for (const int attribute : {IFA_LOCAL, IFA_ADDRESS})
        if (error == 0) error = nla_put(message.get(), attribute, bytes_of(address), address.address.data());
    if (error == 0 && type == RTM_NEWADDR) {
        const ifa_cacheinfo lifetime{address.ipv6 ? 0 : kForEver, kForEver, 0, 0};
        error = nla_put_u8(message.get(), IFA_PROTO, kOurs);
        if (error == 0) error = nla_put_u32(message.get(), IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
        if (error == 0) error = nla_put(message.get(), IFA_CACHEINFO, sizeof(lifetime), &lifetime);
        if (error == 0 && !address.ipv6)
            error = nla_put_string(message.get(), IFA_LABEL, label_on(address.ifindex).c_str());
    }
    return error != 0 ? error : nl_send_sync(socket->get(), message.release());
}

}  // namespace

std::string LocalAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(ipv6 ? AF_INET6 : AF_INET, address.data(), text.data(), text.size());
    return text.data();
}

Result<std::vector<HeldAddress>> list_addresses() {
    auto socket = connect_to_rtnetlink();
    if (!socket) return tl::unexpected(socket.error());
    std::vector<HeldAddress> held;
    nl_socket_modify_cb(socket->get(), NL_CB_VALID, NL_CB_CUSTOM, note_address, &held);
    int error = -NLE_DUMP_INTR;
    for (int i = 0; i < kMostDumps && error == -NLE_DUMP_INTR; ++i) {
        held.clear();
        ifaddrmsg all{};
        error = nl_send_simple(socket->get(), RTM_GETADDR, NLM_F_DUMP, &all, sizeof(all));
        if (error >= 0) error = nl_recvmsgs_default(socket->get());
    }
    if (error < 0) return fail(fmt::format("cannot list the addresses: {}", nl_geterror(error)));
    return held;
}

Status add_address(const LocalAddress& address) {
    const int error = ask_for(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
    if (error == 0 || error == -NLE_EXIST) return {};
    return fail(fmt::format("cannot take the address {}: {}", address.text(), nl_geterror(error)));
}

Status remove_address(const LocalAddress& address) {
    const int error = ask_for(RTM_DELADDR, 0, address);
    if (error == 0 || error == -NLE_NOADDR || error == -NLE_NODEV) return {};
    return fail(fmt::format("cannot give up the address {}: {}", address.text(), nl_geterror(error)));
}

bool takes_ipv6(const std::string& interface) {
    const auto off = read_file(fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", interface));
    return off && off->substr(0, 1) == "0";
}

}  // namespace fwctl::net
