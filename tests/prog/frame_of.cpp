#include "frame_of.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "generate/packets.h"
#include "policy/prefix.h"

namespace fwctl::testing {

using policy::Family;
using policy::FragmentKind;
using policy::PacketView;

namespace {

constexpr std::uint16_t kLaterOffset = 100;  // of 8 bytes each

std::string text_of(Family family, const std::array<std::uint8_t, 16>& address) {
    return policy::format_prefix({family, policy::address_bits(family), address});
}

// ECN is no part of DSCP: any two bits will do.
std::uint8_t traffic_class(const PacketView& view) {
    return static_cast<std::uint8_t>(view.dscp << 2 | (view.length & 3));
}

Packet layer4(const PacketView& view) {
    const auto type = static_cast<std::uint8_t>(view.selector >> 8);
    const auto code = static_cast<std::uint8_t>(view.selector & 0xff);
    switch (view.protocol) {
        case kTcp:
            return tcp({.source = view.source_port, .destination = view.selector, .flags = view.tcp_flags});
        case kUdp:
            return udp({.source = view.source_port, .destination = view.selector});
        case kSctp:
            return sctp({.source = view.source_port, .destination = view.selector});
        case kIcmp:
            return icmp({.type = type, .code = code});
        default:
            return icmpv6({.type = type, .code = code});
    }
}

Packet ip_header(const PacketView& view) {
    const std::uint16_t offset = view.fragment == FragmentKind::kLater ? kLaterOffset : 0;
    const bool more = view.fragment == FragmentKind::kFirst;
    const std::string source = text_of(*view.family, view.source);
    const std::string destination = text_of(*view.family, view.destination);
    if (view.family == Family::kIpv4)
        return ipv4({.source = source,
                     .destination = destination,
                     .protocol = view.protocol,
                     .tos = traffic_class(view),
                     .ttl = view.ttl,
                     .more_fragments = more,
                     .fragment_offset = offset});
    const bool has_fragment_header = view.fragment != FragmentKind::kNone;
    const Packet header = ipv6({.source = source,
                                .destination = destination,
                                .next_header = has_fragment_header ? kFragment : view.protocol,
                                .traffic_class = traffic_class(view),
                                .hop_limit = view.ttl});
    if (!has_fragment_header) return header;
    return header / fragment({.next_header = view.protocol, .offset = offset, .more = more});
}

// What follows the link header, as long as the view says.
Packet network(const PacketView& view) {
    if (!view.family) return payload(view.length);
    Packet packet = ip_header(view);
    if (view.has_l4) packet = packet / layer4(view);
    return packet / payload(view.length - packet.bytes().size());
}

std::string mac_text(std::uint64_t mac) {
    std::string text;
    for (int shift = 40; shift >= 0; shift -= 8)
        text += fmt::format("{}{:02x}", text.empty() ? "" : ":", mac >> shift & 0xff);
    return text;
}

Packet link_header(const PacketView& view) {
    Ethernet header{.source = mac_text(*view.mac)};
    if (view.vlan == policy::kNoVlan) {
        header.ethertype = view.ethertype;
        return ethernet(header);
    }
    Vlan outer{.id = view.vlan,
               .priority = static_cast<std::uint8_t>(view.vlan % 8),
               .tag_ethertype = view.vlan % 2 == 0 ? kVlan : kServiceVlan};
    Vlan inner{.id = 5, .ethertype = view.ethertype};
    if (view.vlan % 5 == 0) return ethernet(header) / vlan(outer) / vlan(inner);
    outer.ethertype = view.ethertype;
    return ethernet(header) / vlan(outer);
}

}  // namespace

Frame frame_of(const PacketView& view) {
    Frame frame;
    frame.view = generate::possible(view);
    frame.link = frame.view.mac ? FW_LINK_ETHERNET : FW_LINK_IP;
    const Packet packet = network(frame.view);
    frame.bytes = frame.view.mac ? link_header(frame.view) / packet : packet;
    return frame;
}

PacketView view_of(const OracleResult& parsed, std::span<const std::uint8_t> frame, fw_link link,
                   const PacketView& around) {
    const fw_packet& packet = parsed.packet;
    PacketView view;
    if (link == FW_LINK_ETHERNET) {
        view.mac = 0;
        for (const std::uint8_t byte : frame.subspan(6, 6)) view.mac = *view.mac << 8 | byte;
    }
    if (packet.vlan_tags > 0) view.vlan = packet.vlan[0] & 0xfff;
    view.ethertype = packet.ethertype;
    view.length = packet.length - packet.l3_offset;
    if (packet.family != FW_FAMILY_NONE) view.family = static_cast<Family>(packet.family);
    std::copy_n(packet.source.bytes, 16, view.source.begin());
    std::copy_n(packet.destination.bytes, 16, view.destination.begin());
    view.ttl = packet.ttl;
    view.dscp = packet.traffic_class >> 2;
    view.fragment = static_cast<FragmentKind>(packet.fragment);
    view.protocol = packet.protocol;
    view.has_l4 = (packet.flags & FW_PACKET_L4) != 0;
    view.source_port = packet.source_port;
    view.selector = packet.selector;
    view.tcp_flags = packet.tcp_flags;
    view.direction = around.direction;
    view.interfaces = around.interfaces;
    view.now = around.now;
    view.state = around.state;
    return view;
}

}  // namespace fwctl::testing
