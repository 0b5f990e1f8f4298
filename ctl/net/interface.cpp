#include "net/interface.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/pkt_sched.h>
#include <netlink/route/addr.h>
#include <netlink/route/classifier.h>
#include <netlink/route/link.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "net/handles.h"

namespace fwctl::net {
namespace {

LinkLayer link_layer(unsigned type) {
    switch (type) {
        case ARPHRD_ETHER:
        case ARPHRD_LOOPBACK:
            return LinkLayer::kEthernet;
        case ARPHRD_NONE:
        case ARPHRD_RAWIP:
        case ARPHRD_PPP:
        case ARPHRD_TUNNEL:
        case ARPHRD_TUNNEL6:
        case ARPHRD_SIT:
            return LinkLayer::kIp;
        default:
            return LinkLayer::kUnknown;
    }
}

Interface describe(rtnl_link* link) {
    Interface interface;
    interface.ifindex = rtnl_link_get_ifindex(link);
    interface.name = rtnl_link_get_name(link);
    if (const char* kind = rtnl_link_get_type(link); kind != nullptr) interface.kind = kind;
    interface.link_type = rtnl_link_get_arptype(link);
    interface.link = link_layer(interface.link_type);
    interface.mtu = rtnl_link_get_mtu(link);
    interface.up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
    interface.running = interface.up && (rtnl_link_get_flags(link) & IFF_RUNNING) != 0;
    (void)rtnl_link_get_carrier_changes(link, &interface.carrier_changes);
    interface.loopback = (rtnl_link_get_flags(link) & IFF_LOOPBACK) != 0;
    interface.master = rtnl_link_get_master(link);
    if (nl_addr* mac = rtnl_link_get_addr(link); mac != nullptr &&
                                                 nl_addr_get_len(mac) == interface.mac.size() &&
                                                 interface.link == LinkLayer::kEthernet)
        std::memcpy(interface.mac.data(), nl_addr_get_binary_addr(mac), interface.mac.size());
    return interface;
}

}  // namespace

Result<std::vector<Interface>> list_interfaces() {
    auto socket = connect_to_rtnetlink();
    if (!socket) return tl::unexpected(socket.error());
    nl_cache* raw = nullptr;
    if (const int error = rtnl_link_alloc_cache(socket->get(), AF_UNSPEC, &raw); error != 0)
        return fail(fmt::format("cannot list the interfaces: {}", nl_geterror(error)));
    const NlCache cache(raw);
    std::vector<Interface> all;
    for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object))
        all.push_back(describe(reinterpret_cast<rtnl_link*>(object)));
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.ifindex < b.ifindex; });
    return all;
}

const Interface* find_interface(const std::vector<Interface>& interfaces, const std::string& name) {
    const auto found = std::find_if(interfaces.begin(), interfaces.end(),
                                    [&](const Interface& interface) { return interface.name == name; });
    return found == interfaces.end() ? nullptr : &*found;
}

const Interface* find_interface(const std::vector<Interface>& interfaces, int ifindex) {
    const auto found = std::find_if(interfaces.begin(), interfaces.end(),
                                    [&](const Interface& interface) { return interface.ifindex == ifindex; });
    return found == interfaces.end() ? nullptr : &*found;
}

Result<bool> has_clsact(int ifindex) {
    auto socket = connect_to_rtnetlink();
    if (!socket) return tl::unexpected(socket.error());
    nl_cache* raw = nullptr;
    if (const int error = rtnl_qdisc_alloc_cache(socket->get(), &raw); error != 0)
        return fail(fmt::format("cannot list the qdiscs: {}", nl_geterror(error)));
    const NlCache cache(raw);
    for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
        auto* qdisc = reinterpret_cast<rtnl_tc*>(object);
        const char* kind = rtnl_tc_get_kind(qdisc);
        if (rtnl_tc_get_ifindex(qdisc) == ifindex && kind != nullptr && std::string_view(kind) == "clsact")
            return true;
    }
    return false;
}

// The kernel lists them in the order in which they are asked.
Result<std::optional<std::uint32_t>> first_tc_filter(int ifindex, bool egress) {
    auto socket = connect_to_rtnetlink();
    if (!socket) return tl::unexpected(socket.error());
    const std::uint32_t minor = egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS;
    nl_cache* raw = nullptr;
    const int error = rtnl_cls_alloc_cache(socket->get(), ifindex, TC_H_MAKE(TC_H_CLSACT, minor), &raw);
    if (error != 0) return fail(fmt::format("cannot list the TC filters: {}", nl_geterror(error)));
    const NlCache cache(raw);
    for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
        // Each priority stands in front of its filters once more, without a handle.
        const std::uint32_t handle = rtnl_tc_get_handle(reinterpret_cast<rtnl_tc*>(object));
        if (handle != 0) return std::optional(handle);
    }
    return std::nullopt;
}

Result<bool> has_tc_filters(int ifindex) {
    for (const bool egress : {false, true}) {
        auto first = first_tc_filter(ifindex, egress);
        if (!first) return tl::unexpected(first.error());
        if (*first) return true;
    }
    return false;
}

std::string interface_with_address(const std::string& address) {
    auto socket = connect_to_rtnetlink();
    nl_addr* parsed = nullptr;
    if (!socket || nl_addr_parse(address.c_str(), AF_UNSPEC, &parsed) != 0) return {};
    const NlAddress wanted(parsed);
    nl_cache* raw = nullptr;
    if (rtnl_addr_alloc_cache(socket->get(), &raw) != 0) return {};
    const NlCache cache(raw);
    for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
        auto* entry = reinterpret_cast<rtnl_addr*>(object);
        nl_addr* local = rtnl_addr_get_local(entry);
        if (local == nullptr || nl_addr_get_len(local) != nl_addr_get_len(parsed)) continue;
        // All of it: nl_addr_cmp() compares prefixes, and nl_addr_cmp_prefix() the shorter one alone.
        if (std::memcmp(nl_addr_get_binary_addr(local), nl_addr_get_binary_addr(parsed),
                        nl_addr_get_len(local)) != 0)
            continue;
        const auto all = list_interfaces();
        const Interface* found = all ? find_interface(*all, rtnl_addr_get_ifindex(entry)) : nullptr;
        if (found != nullptr) return found->name;
    }
    return {};
}

}  // namespace fwctl::net
