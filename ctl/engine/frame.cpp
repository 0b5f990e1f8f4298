#include "engine/frame.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <span>

#include "policy/packet_text.h"

namespace fwctl::engine {
namespace {

using policy::Family;
using policy::FragmentKind;
using policy::PacketView;

constexpr std::uint64_t kDestinationMac = 0x020000000002;
constexpr std::uint16_t kVlanEthertype = 0x8100;
constexpr std::uint16_t kLaterOffset = 100;  // in units of 8 bytes

// Numbers are written in network byte order.
class Bytes {
public:
    void put(std::uint64_t number, unsigned bytes) {
        for (unsigned i = bytes; i > 0; --i)
            bytes_.push_back(static_cast<std::uint8_t>(number >> (i - 1) * 8));
    }
    void put(std::span<const std::uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    void put_16_at(std::size_t place, std::uint16_t number) {
        bytes_[place] = static_cast<std::uint8_t>(number >> 8);
        bytes_[place + 1] = static_cast<std::uint8_t>(number);
    }
    void fill(std::size_t size) { bytes_.resize(std::max(size, bytes_.size())); }

    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::span<const std::uint8_t> from(std::size_t place) const {
        return std::span(bytes_).subspan(place);
    }
    std::vector<std::uint8_t> take() { return std::move(bytes_); }

private:
    std::vector<std::uint8_t> bytes_;
};

// The sum of 16-bit words that RFC 1071 folds and inverts.
std::uint64_t sum_of(std::span<const std::uint8_t> bytes) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) sum += std::uint64_t{bytes[i]} << (i % 2 == 0 ? 8 : 0);
    return sum;
}

std::uint16_t checksum_of(std::uint64_t sum) {
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

std::span<const std::uint8_t> address_bytes(const PacketView& packet,
                                            const std::array<std::uint8_t, 16>& address) {
    return std::span(address).first(packet.family == Family::kIpv4 ? 4 : 16);
}

// CRC-32C, the checksum of SCTP (RFC 9260, appendix A), least significant byte first.
std::uint32_t crc32c(std::span<const std::uint8_t> bytes) {
    std::uint32_t crc = 0xffffffff;
    for (const std::uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    }
    return ~crc;
}

void put_link(Bytes& frame, const PacketView& packet) {
    frame.put(kDestinationMac, 6);
    frame.put(packet.mac.value_or(kDefaultMac), 6);
    if (packet.vlan != policy::kNoVlan) {
        frame.put(kVlanEthertype, 2);
        frame.put(packet.vlan, 2);
    }
    frame.put(packet.ethertype, 2);
}

void put_ipv4(Bytes& frame, const PacketView& packet) {
    const std::size_t start = frame.size();
    const std::uint16_t fragment = packet.fragment == FragmentKind::kLater   ? kLaterOffset
                                   : packet.fragment == FragmentKind::kFirst ? 0x2000
                                                                             : 0;
    frame.put(0x45, 1);
    frame.put(packet.dscp << 2U, 1);
    frame.put(packet.length, 2);
    frame.put(1, 2);
    frame.put(fragment, 2);
    frame.put(packet.ttl, 1);
    frame.put(packet.protocol, 1);
    frame.put(0, 2);
    frame.put(address_bytes(packet, packet.source));
    frame.put(address_bytes(packet, packet.destination));
    frame.put_16_at(start + 10, checksum_of(sum_of(frame.from(start))));
}

void put_ipv6(Bytes& frame, const PacketView& packet) {
    const bool in_parts = packet.fragment != FragmentKind::kNone;
    frame.put(0x60000000 | static_cast<std::uint32_t>(packet.dscp) << 22, 4);
    frame.put(packet.length - 40, 2);
    frame.put(in_parts ? std::uint8_t{IPPROTO_FRAGMENT} : packet.protocol, 1);
    frame.put(packet.ttl, 1);
    frame.put(packet.source);
    frame.put(packet.destination);
    if (!in_parts) return;
    frame.put(packet.protocol, 1);
    frame.put(0, 1);
    frame.put(packet.fragment == FragmentKind::kLater   ? kLaterOffset << 3
              : packet.fragment == FragmentKind::kFirst ? 1
                                                        : 0,
              2);
    frame.put(1, 4);
}

// Its checksum is zero; the answer is where that stands.
std::size_t put_layer4(Bytes& frame, const PacketView& packet, std::size_t end) {
    const std::size_t start = frame.size();
    switch (packet.protocol) {
        case IPPROTO_TCP:
            frame.put(packet.source_port, 2);
            frame.put(packet.selector, 2);
            frame.put(1, 4);
            frame.put((packet.tcp_flags & 0x10) != 0 ? 1 : 0, 4);
            frame.put(0x50, 1);
            frame.put(packet.tcp_flags, 1);
            frame.put(0xffff, 2);
            frame.put(0, 4);
            return start + 16;
        case IPPROTO_UDP:
            frame.put(packet.source_port, 2);
            frame.put(packet.selector, 2);
            frame.put(end - start, 2);
            frame.put(0, 2);
            return start + 6;
        case IPPROTO_SCTP:
            frame.put(packet.source_port, 2);
            frame.put(packet.selector, 2);
            frame.put(1, 4);
            frame.put(0, 4);
            return start + 8;
        default:  // ICMP and ICMPv6
            frame.put(packet.selector, 2);
            frame.put(0, 2);
            frame.put(0x00010001, 4);
            return start + 2;
    }
}

// Over the pseudo-header (RFC 793, RFC 8200 section 8.1), which ICMP of IPv4 alone has none of.
void put_checksum(Bytes& frame, const PacketView& packet, std::size_t layer4, std::size_t place) {
    const auto body = frame.from(layer4);
    if (packet.protocol == IPPROTO_SCTP) {
        const std::uint32_t crc = crc32c(body);
        frame.put_16_at(place, static_cast<std::uint16_t>((crc & 0xff) << 8 | (crc >> 8 & 0xff)));
        frame.put_16_at(place + 2, static_cast<std::uint16_t>((crc >> 16 & 0xff) << 8 | crc >> 24));
        return;
    }
    std::uint64_t sum = sum_of(body);
    if (packet.protocol != IPPROTO_ICMP)
        sum += sum_of(address_bytes(packet, packet.source)) +
               sum_of(address_bytes(packet, packet.destination)) + packet.protocol + body.size();
    const std::uint16_t checksum = checksum_of(sum);
    // Zero would say that there is none (RFC 768).
    frame.put_16_at(place, packet.protocol == IPPROTO_UDP && checksum == 0 ? 0xffff : checksum);
}

}  // namespace

std::vector<std::uint8_t> make_frame(const PacketView& packet, fw_link link) {
    Bytes frame;
    if (link == FW_LINK_ETHERNET) put_link(frame, packet);
    const std::size_t end = frame.size() + packet.length;
    if (packet.family == Family::kIpv4) put_ipv4(frame, packet);
    if (packet.family == Family::kIpv6) put_ipv6(frame, packet);
    if (packet.family && packet.has_l4) {
        const std::size_t layer4 = frame.size();
        const std::size_t checksum = put_layer4(frame, packet, end);
        frame.fill(end);
        put_checksum(frame, packet, layer4, checksum);
    }
    frame.fill(end);
    return frame.take();
}

}  // namespace fwctl::engine
