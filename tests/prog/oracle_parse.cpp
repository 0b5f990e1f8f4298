#include "oracle_parse.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

namespace fwctl::testing {

namespace {

constexpr std::size_t kEthernetSize = 14;
constexpr std::size_t kVlanSize = 4;
constexpr std::size_t kIpv4Size = 20;
constexpr std::size_t kIpv6Size = 40;
constexpr std::size_t kExtensionSize = 8;
constexpr std::size_t kLongestPlainPacket = 65535;  // what a 16-bit length can say

constexpr int kMostTags = 2;
constexpr int kMostExtensions = 10;

enum Protocol {
    kHopByHopOptions = 0,
    kIcmpV4 = 1,
    kTcpProtocol = 6,
    kUdpProtocol = 17,
    kRoutingHeader = 43,
    kFragmentHeader = 44,
    kAuthenticationHeader = 51,
    kIcmpV6 = 58,
    kDestination = 60,
    kSctpProtocol = 132,
};

using Reason = std::optional<fw_reason>;

// One member function per section of docs/parsing.md; the numbers in the comments are those of its lists.
class Oracle {
public:
    Oracle(std::span<const std::uint8_t> frame, std::optional<std::uint16_t> stripped_tag)
        : frame_(frame), stripped_tag_(stripped_tag) {
        packet_.length = static_cast<std::uint32_t>(frame.size());
        packet_.vlan_id = 4096;
    }

    const fw_packet& packet() const { return packet_; }

    Reason ip_link() {
        if (frame_.empty())  // 1
            return FW_REASON_TRUNCATED_ETHERNET;
        int version = u8(0) >> 4;
        if (version == 4) packet_.ethertype = 0x0800;
        if (version == 6) packet_.ethertype = 0x86dd;
        return network(0);
    }

    Reason ethernet_link() {
        if (frame_.size() < kEthernetSize)  // 2
            return FW_REASON_TRUNCATED_ETHERNET;
        for (std::size_t at = 6; at < 12; ++at) packet_.source_mac = packet_.source_mac << 8 | u8(at);
        if (stripped_tag_.has_value())  // 3
            keep_tag(*stripped_tag_);
        packet_.ethertype = u16(12);
        std::size_t at = kEthernetSize;
        while (packet_.ethertype == 0x8100 || packet_.ethertype == 0x88a8) {  // 4
            if (packet_.vlan_tags == kMostTags) return FW_REASON_VLAN_DEPTH;
            if (left(at) < kVlanSize) return FW_REASON_TRUNCATED_VLAN;
            keep_tag(u16(at));
            packet_.ethertype = u16(at + 2);
            at += kVlanSize;
        }
        return network(at);
    }

private:
    // Link layer, 5.
    Reason network(std::size_t at) {
        packet_.l3_offset = static_cast<std::uint16_t>(at);
        packet_.network_length = packet_.length - packet_.l3_offset;
        if (packet_.ethertype == 0x0800) {
            packet_.family = FW_FAMILY_IPV4;
            return ipv4(at);
        }
        if (packet_.ethertype == 0x86dd) {
            packet_.family = FW_FAMILY_IPV6;
            return ipv6(at);
        }
        return {};
    }

    Reason ipv4(std::size_t at) {
        if (left(at) < kIpv4Size)  // 1
            return FW_REASON_TRUNCATED_IPV4;
        int version = u8(at) >> 4;
        std::size_t header_size = (u8(at) & 0x0f) * std::size_t{4};
        if (version != 4 || header_size < kIpv4Size)  // 2
            return FW_REASON_MALFORMED_IPV4;

        packet_.traffic_class = u8(at + 1);  // 3
        packet_.ttl = u8(at + 8);
        packet_.protocol = u8(at + 9);
        packet_.source = address(at + 12, 4);
        packet_.destination = address(at + 16, 4);

        std::size_t total_length = u16(at + 2);  // 4
        if (total_length == 0 && left(at) > kLongestPlainPacket) total_length = left(at);
        if (total_length < header_size)  // 5
            return FW_REASON_MALFORMED_IPV4;
        if (total_length > left(at) || header_size > left(at)) return FW_REASON_TRUNCATED_IPV4;

        std::size_t l4 = at + header_size;  // 6
        packet_.l4_offset = static_cast<std::uint16_t>(l4);
        bool more_fragments = (u16(at + 6) & 0x2000) != 0;
        int fragment_offset = u16(at + 6) & 0x1fff;
        if (fragment_offset > 0)
            packet_.fragment = FW_FRAGMENT_LATER;
        else if (more_fragments)
            packet_.fragment = FW_FRAGMENT_FIRST;
        if (packet_.fragment != FW_FRAGMENT_NONE) packet_.fragment_id = u16(at + 4);

        if (packet_.fragment == FW_FRAGMENT_LATER)  // 7
            return later_fragment(fragment_offset);
        return layer4(l4, at + total_length);  // 8
    }

    Reason ipv6(std::size_t at) {
        if (left(at) < kIpv6Size)  // 1
            return FW_REASON_TRUNCATED_IPV6;
        if (u8(at) >> 4 != 6) return FW_REASON_MALFORMED_IPV6;

        packet_.traffic_class = static_cast<std::uint8_t>((u16(at) >> 4) & 0xff);  // 2
        packet_.ttl = u8(at + 7);
        packet_.source = address(at + 8, 16);
        packet_.destination = address(at + 24, 16);

        std::size_t first_header = at + kIpv6Size;  // 3
        std::size_t payload_length = u16(at + 4);
        if (payload_length == 0 && left(first_header) > kLongestPlainPacket)
            payload_length = left(first_header);
        if (payload_length > left(first_header)) return FW_REASON_TRUNCATED_IPV6;

        return extensions(u8(at + 6), first_header, first_header + payload_length);
    }

    // IPv6, 4 and 5.
    Reason extensions(std::uint8_t protocol, std::size_t at, std::size_t end) {
        packet_.protocol = protocol;
        packet_.l4_offset = static_cast<std::uint16_t>(at);  // 5
        while (is_extension(packet_.protocol)) {
            if (packet_.extension_count == kMostExtensions)  // 4.1
                return FW_REASON_HEADER_CHAIN;
            if (packet_.protocol == kHopByHopOptions && packet_.extension_count > 0)  // 4.2
                return FW_REASON_MALFORMED_IPV6;
            if (end - at < kExtensionSize)  // 4.3
                return FW_REASON_TRUNCATED_EXTENSION;
            std::size_t size = extension_size(packet_.protocol, at);
            if (end - at < size)  // 4.4
                return FW_REASON_TRUNCATED_EXTENSION;

            bool is_fragment = packet_.protocol == kFragmentHeader;
            int fragment_offset = 0;
            ++packet_.extension_count;  // 4.5
            if (is_fragment) {
                fragment_offset = u16(at + 2) >> 3;
                see_fragment(fragment_offset, (u16(at + 2) & 1) != 0);
                packet_.fragment_id = static_cast<std::uint32_t>(u16(at + 4)) << 16 | u16(at + 6);
            }
            packet_.protocol = u8(at);
            at += size;
            packet_.l4_offset = static_cast<std::uint16_t>(at);  // 5
            if (is_fragment && fragment_offset > 0)              // 4.6
                return later_fragment(fragment_offset);
        }
        return layer4(at, end);
    }

    static bool is_extension(int protocol) {
        return protocol == kHopByHopOptions || protocol == kRoutingHeader || protocol == kDestination ||
               protocol == kFragmentHeader || protocol == kAuthenticationHeader;
    }

    std::size_t extension_size(int protocol, std::size_t at) const {
        std::size_t length = u8(at + 1);
        if (protocol == kFragmentHeader) return 8;
        if (protocol == kAuthenticationHeader) return (length + 2) * 4;
        return (length + 1) * 8;
    }

    void see_fragment(int offset, bool more) {
        if (offset > 0)
            packet_.fragment = FW_FRAGMENT_LATER;
        else if (packet_.fragment == FW_FRAGMENT_FIRST)
            return;  // stays first
        else if (more)
            packet_.fragment = FW_FRAGMENT_FIRST;
        else
            packet_.fragment = FW_FRAGMENT_ATOMIC;
    }

    Reason later_fragment(int offset) const {
        if (packet_.protocol == kTcpProtocol && offset == 1) return FW_REASON_TINY_FRAGMENT;
        return {};
    }

    Reason layer4(std::size_t at, std::size_t end) {
        std::size_t size = end - at;
        switch (packet_.protocol) {
            case kTcpProtocol:
                return tcp(at, size);
            case kUdpProtocol:
                return ports(at, size, 8);
            case kSctpProtocol:
                return ports(at, size, 12);
            case kIcmpV4:
                return packet_.family == FW_FAMILY_IPV4 ? icmp(at, size) : Reason{};
            case kIcmpV6:
                return packet_.family == FW_FAMILY_IPV6 ? icmp(at, size) : Reason{};
            default:
                return {};
        }
    }

    Reason tcp(std::size_t at, std::size_t size) {
        if (size < 20) return FW_REASON_TRUNCATED_L4;
        std::size_t data_offset = u8(at + 12) >> 4;  // words
        if (data_offset < 5 || data_offset * 4 > size) return FW_REASON_MALFORMED_TCP;
        packet_.tcp_flags = u8(at + 13);
        return ports(at, size, 20);
    }

    Reason ports(std::size_t at, std::size_t size, std::size_t needed) {
        if (size < needed) return FW_REASON_TRUNCATED_L4;
        packet_.flags = FW_PACKET_L4;
        packet_.source_port = u16(at);
        packet_.selector = u16(at + 2);
        return {};
    }

    Reason icmp(std::size_t at, std::size_t size) {
        if (size < 8) return FW_REASON_TRUNCATED_L4;
        packet_.flags = FW_PACKET_L4;
        packet_.selector = static_cast<std::uint16_t>(u8(at) * 256 + u8(at + 1));
        return {};
    }

    void keep_tag(std::uint16_t control_information) {
        packet_.vlan[packet_.vlan_tags] = control_information;
        if (packet_.vlan_tags == 0) packet_.vlan_id = control_information & 0x0fff;
        ++packet_.vlan_tags;
    }

    // Reading beyond the frame is a mistake of this file, never the packet's.
    std::uint8_t u8(std::size_t at) const {
        if (at >= frame_.size()) throw std::out_of_range("the oracle reads beyond the frame");
        return frame_[at];
    }

    std::uint16_t u16(std::size_t at) const { return static_cast<std::uint16_t>(u8(at) * 256 + u8(at + 1)); }

    fw_address address(std::size_t at, std::size_t size) const {
        fw_address address{};
        for (std::size_t i = 0; i < size; ++i) address.bytes[i] = u8(at + i);
        return address;
    }

    std::size_t left(std::size_t at) const { return frame_.size() - at; }

    std::span<const std::uint8_t> frame_;
    std::optional<std::uint16_t> stripped_tag_;
    fw_packet packet_{};
};

}  // namespace

OracleResult oracle_parse(std::span<const std::uint8_t> frame, fw_link link,
                          std::optional<std::uint16_t> stripped_tag) {
    Oracle oracle(frame, stripped_tag);
    Reason reason = link == FW_LINK_IP ? oracle.ip_link() : oracle.ethernet_link();
    return {.packet = oracle.packet(), .reason = reason};
}

}  // namespace fwctl::testing
