// format_packet(), and what it leaves out.
#include <array>
#include <vector>

#include <fmt/format.h>

#include "policy/field.h"
#include "policy/icmp.h"
#include "policy/packet_defaults.h"
#include "policy/packet_text.h"
#include "policy/prefix.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

constexpr std::uint32_t kShortestOther = 14;
constexpr std::uint32_t kEthernetPayload = 46;  // IEEE 802.3: shorter ones are padded

Interval one_value(std::uint64_t value) {
    return {~std::uint64_t{0}, value, value};
}

std::string format_protocol(const PacketView& packet) {
    if (!packet.family) {
        return format_field(Field::kEthertype, one_value(packet.ethertype));
    }
    const bool is_icmp = packet.protocol == icmp_protocol(*packet.family);
    if (packet.protocol == icmp_protocol(other_family(*packet.family))) {
        return std::to_string(packet.protocol);  // the name would say the other IP version
    }
    Service service;
    service.kind = Service::Kind::kProtocol;
    service.protocol = packet.protocol;
    service.family_bound = is_icmp;
    service.family = *packet.family;
    std::string name = format_service(service);
    if (is_icmp && packet.has_l4) {
        const auto type = static_cast<std::uint8_t>(packet.selector / 256);
        const auto code = static_cast<std::uint8_t>(packet.selector % 256);
        name += "/" + format_icmp(*packet.family, code == 0 ? icmp_types(type, type) : icmp_code(type, code));
    }
    return name;
}

std::string format_end(const PacketView& packet, const std::array<std::uint8_t, 16>& address,
                       std::uint16_t port) {
    const std::string text = format_prefix({*packet.family, address_bits(*packet.family), address});
    if (!packet.has_ports()) {
        return text;
    }
    return *packet.family == Family::kIpv4 ? fmt::format("{}:{}", text, port)
                                           : fmt::format("[{}]:{}", text, port);
}

std::string format_flags(std::uint8_t flags) {
    std::string text;
    for (unsigned bit = 0; bit < 8; ++bit) {
        const std::uint64_t mask = std::uint64_t{1} << bit;
        if ((flags & mask) != 0) {
            text += " " + format_field(Field::kTcpFlags, {mask, mask, mask});
        }
    }
    return text.empty() ? " none" : text;
}

std::uint32_t layer4_size(const PacketView& packet) {
    if (!packet.has_l4) {
        return 0;
    }
    switch (packet.protocol) {
        case kProtocolTcp:
            return 20;
        case kProtocolSctp:
            return 12;
        default:
            return 8;
    }
}

}  // namespace

std::uint16_t ethertype_of(Family family) {
    return family == Family::kIpv4 ? 0x0800 : 0x86dd;
}

Family other_family(Family family) {
    return family == Family::kIpv4 ? Family::kIpv6 : Family::kIpv4;
}

std::uint8_t icmp_protocol(Family family) {
    return family == Family::kIpv4 ? kProtocolIcmp : kProtocolIcmp6;
}

bool is_read_on(std::uint16_t ethertype) {
    return ethertype == 0x0800 || ethertype == 0x86dd || ethertype == 0x8100 || ethertype == 0x88a8;
}

bool is_extension(std::uint8_t protocol) {
    return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 || protocol == 60;
}

std::uint32_t shortest_length(const PacketView& packet) {
    if (!packet.family) {
        return kShortestOther;
    }
    const bool has_fragment_header =
        *packet.family == Family::kIpv6 && packet.fragment != FragmentKind::kNone;
    return (*packet.family == Family::kIpv4 ? 20U : 40U) + (has_fragment_header ? 8U : 0U) +
           layer4_size(packet);
}

std::uint32_t default_length(const PacketView& packet) {
    return packet.family ? shortest_length(packet) : kEthernetPayload;
}

std::string format_packet(const PacketText& text) {
    const PacketView& packet = text.packet;
    std::string out = format_protocol(packet);
    if (packet.family) {
        out += fmt::format(" {} > {}", format_end(packet, packet.source, packet.source_port),
                           format_end(packet, packet.destination, packet.selector));
    }
    const bool is_tcp = packet.has_ports() && packet.protocol == kProtocolTcp;
    if (is_tcp) {
        out += format_flags(packet.tcp_flags);
    }
    if (!text.place.interface.empty()) {
        out += " on " + text.place.interface;
    }
    if (text.place.direction == Direction::kOut) {
        out += " out";
    }
    const auto add = [&out](bool wanted, Field field, std::uint64_t value) {
        if (wanted) {
            out += fmt::format(" {} {}", info_of(field).key, format_field(field, one_value(value)));
        }
    };
    add(packet.vlan != kNoVlan, Field::kVlan, packet.vlan);
    add(packet.family && packet.ttl != kDefaultTtl, Field::kTtl, packet.ttl);
    add(packet.length != default_length(packet), Field::kLength, packet.length);
    add(packet.dscp != 0, Field::kDscp, packet.dscp);
    add(packet.fragment != FragmentKind::kNone, Field::kFragment,
        static_cast<std::uint64_t>(packet.fragment));
    add(packet.mac.has_value(), Field::kMac, packet.mac.value_or(0));
    if (packet.state) {
        add(true, Field::kState, static_cast<std::uint64_t>(*packet.state));
    }
    return out;
}

}  // namespace fwctl::policy
