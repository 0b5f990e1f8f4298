#include "net/announce.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "base/fd.h"
#include "base/file.h"

namespace fwctl::net {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kRequest = 1;
constexpr std::uint16_t kReply = 2;
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kAdvertisement = 136;
constexpr std::uint8_t kRouterFlag = 0x80;
constexpr std::uint8_t kOverrideFlag = 0x20;
constexpr std::uint8_t kTargetLinkLayerAddress = 2;
constexpr std::uint8_t kHopLimit = 255;  // what comes from farther away is no neighbour discovery

constexpr Mac kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr Mac kAllNodesMac = {0x33, 0x33, 0, 0, 0, 1};
constexpr std::array<std::uint8_t, 16> kAllNodes = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

template <typename Range>
void append(Bytes& bytes, const Range& more, std::size_t count) {
    bytes.insert(bytes.end(), more.begin(), more.begin() + static_cast<std::ptrdiff_t>(count));
}

template <typename Range>
void append(Bytes& bytes, const Range& more) {
    append(bytes, more, more.size());
}

void append16(Bytes& bytes, std::size_t number) {
    bytes.push_back(static_cast<std::uint8_t>(number >> 8U));
    bytes.push_back(static_cast<std::uint8_t>(number));
}

// RFC 1071, over bytes whose number is even.
std::uint16_t checksum(const Bytes& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) sum += bytes[i] << 8U | bytes[i + 1];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16U);
    return static_cast<std::uint16_t>(~sum);
}

// RFC 4861, section 4.4.
Bytes advertisement(const LocalAddress& address, const Mac& mac, bool router) {
    Bytes message = {kAdvertisement, 0, 0, 0};
    const std::uint8_t flags = router ? kRouterFlag | kOverrideFlag : kOverrideFlag;
    append(message, std::array<std::uint8_t, 4>{flags, 0, 0, 0});
    append(message, address.address);
    append(message, std::array<std::uint8_t, 2>{kTargetLinkLayerAddress, 1});
    append(message, mac);
    return message;
}

bool forwards_ipv6(const std::string& interface) {
    const auto said = read_file(fmt::format("/proc/sys/net/ipv6/conf/{}/forwarding", interface));
    return said && said->substr(0, 1) != "0";
}

void send(const Interface& interface, const Bytes& bytes, std::uint16_t protocol, const Mac& to) {
    const Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_ll target{};
    target.sll_family = AF_PACKET;
    target.sll_protocol = htons(protocol);
    target.sll_ifindex = interface.ifindex;
    target.sll_halen = static_cast<unsigned char>(to.size());
    std::copy(to.begin(), to.end(), std::begin(target.sll_addr));
    (void)sendto(socket.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&target),
                 sizeof(target));
}

}  // namespace

std::vector<std::uint8_t> gratuitous_arp(const LocalAddress& address, const Mac& mac, bool reply) {
    Bytes bytes;
    append16(bytes, ARPHRD_ETHER);
    append16(bytes, ETH_P_IP);
    append(bytes, std::array<std::uint8_t, 2>{sizeof(Mac), sizeof(in_addr)});
    append16(bytes, reply ? kReply : kRequest);
    append(bytes, mac);
    append(bytes, address.address, sizeof(in_addr));
    append(bytes, reply ? mac : Mac{});
    append(bytes, address.address, sizeof(in_addr));
    return bytes;
}

std::vector<std::uint8_t> unsolicited_advertisement(const LocalAddress& address, const Mac& mac,
                                                    bool router) {
    Bytes message = advertisement(address, mac, router);
    Bytes summed;  // with the pseudo-header of RFC 8200, section 8.1
    append(summed, address.address);
    append(summed, kAllNodes);
    append16(summed, 0);
    append16(summed, message.size());
    append16(summed, 0);
    append16(summed, kIcmpv6);
    append(summed, message);
    const std::uint16_t sum = checksum(summed);
    message[2] = static_cast<std::uint8_t>(sum >> 8U);
    message[3] = static_cast<std::uint8_t>(sum);

    Bytes bytes = {0x60, 0, 0, 0};
    append16(bytes, message.size());
    append(bytes, std::array<std::uint8_t, 2>{kIcmpv6, kHopLimit});
    append(bytes, address.address);
    append(bytes, kAllNodes);
    append(bytes, message);
    return bytes;
}

void announce(const Interface& interface, const LocalAddress& address) {
    if (address.ipv6) {
        const bool router = forwards_ipv6(interface.name);
        send(interface, unsolicited_advertisement(address, interface.mac, router), ETH_P_IPV6, kAllNodesMac);
        return;
    }
    for (const bool reply : {false, true})
        send(interface, gratuitous_arp(address, interface.mac, reply), ETH_P_ARP, kBroadcast);
}

}  // namespace fwctl::net
