#include <algorithm>

#include "generate/packets.h"
#include "policy/service.h"

namespace fwctl::generate {

using policy::Family;
using policy::FragmentKind;
using policy::PacketView;

namespace {

constexpr std::uint16_t kEthertypeIpv4 = 0x0800;
constexpr std::uint16_t kEthertypeArp = 0x0806;
constexpr std::uint16_t kEthertypeIpv6 = 0x86dd;
constexpr std::uint32_t kShortestOther = 14;  // not IP
constexpr std::uint8_t kExperimentalProtocol = 253;

// Ethertypes of frames that are read on behind them, so that none which is not IP has one.
bool is_read_on(std::uint16_t ethertype) {
    return ethertype == kEthertypeIpv4 || ethertype == kEthertypeIpv6 || ethertype == 0x8100 ||
           ethertype == 0x88a8;
}

bool is_extension(std::uint8_t protocol) {
    return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 || protocol == 60;
}

bool is_icmp_of(std::uint8_t protocol, Family family) {
    return protocol == (family == Family::kIpv4 ? policy::kProtocolIcmp : policy::kProtocolIcmp6);
}

std::uint32_t l4_size(std::uint8_t protocol) {
    switch (protocol) {
        case policy::kProtocolTcp:
            return 20;
        case policy::kProtocolSctp:
            return 12;
        default:
            return 8;
    }
}

PacketView link(const PacketView& view) {
    PacketView made;
    made.direction = view.direction;
    made.interfaces = view.interfaces;
    made.now = view.now;
    made.length = std::min(view.length, kLongestPacket);
    if (view.mac) {
        made.mac = *view.mac & 0xffffffffffff;
        made.vlan = view.vlan < policy::kNoVlan ? view.vlan : policy::kNoVlan;
    }
    return made;
}

PacketView other_than_ip(const PacketView& view) {
    PacketView made = link(view);
    if (view.mac) made.ethertype = is_read_on(view.ethertype) ? kEthertypeArp : view.ethertype;
    made.length = std::max(made.length, kShortestOther);
    return made;
}

}  // namespace

PacketView possible(PacketView view) {
    if (!view.family) return other_than_ip(view);
    const bool is_ipv4 = *view.family == Family::kIpv4;
    PacketView made = link(view);
    made.family = view.family;
    made.state = view.state;
    made.ethertype = is_ipv4 ? kEthertypeIpv4 : kEthertypeIpv6;
    std::copy_n(view.source.begin(), is_ipv4 ? 4 : 16, made.source.begin());
    std::copy_n(view.destination.begin(), is_ipv4 ? 4 : 16, made.destination.begin());
    made.ttl = view.ttl;
    made.dscp = view.dscp & 0x3f;
    made.fragment = is_ipv4 && view.fragment == FragmentKind::kAtomic ? FragmentKind::kNone : view.fragment;
    const bool is_later = made.fragment == FragmentKind::kLater;
    const bool walks_on = !is_ipv4 && !is_later && is_extension(view.protocol);
    made.protocol = walks_on ? kExperimentalProtocol : view.protocol;

    std::uint32_t shortest = is_ipv4 ? 20 : made.fragment == FragmentKind::kNone ? 40 : 48;
    made.has_l4 = !is_later;
    const bool has_ports = made.has_ports();
    made.has_l4 = !is_later && (has_ports || is_icmp_of(made.protocol, *view.family));
    if (made.has_l4) {
        made.selector = view.selector;
        shortest += l4_size(made.protocol);
    }
    if (has_ports) made.source_port = view.source_port;
    if (has_ports && made.protocol == policy::kProtocolTcp) made.tcp_flags = view.tcp_flags;
    made.length = std::max(made.length, shortest);
    return made;
}

}  // namespace fwctl::generate
