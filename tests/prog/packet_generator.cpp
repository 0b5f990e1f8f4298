#include "packet_generator.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>

namespace fwctl::testing {

namespace {

// The kernel's test run puts this much of a frame into the first buffer (a page of 4 KB without headroom and
// tailroom) and the rest into fragments: headers around here are the ones that a parser may stumble over.
constexpr std::size_t kFirstBuffer = 3520;
constexpr std::size_t kLongestFrame = 9000;
constexpr std::size_t kLongestExtension = 2048;

// std::uniform_int_distribution differs between libraries; a seed in a bug report must not. For the same
// reason no expression below throws the dice on both sides of a `/`: the compiler may choose which side comes
// first.
class Dice {
public:
    enum class Care { kWellformed, kSloppy };

    Dice(std::mt19937_64& random, Care care) : random_(random), care_(care) {}

    std::size_t below(std::size_t bound) { return random_() % bound; }
    std::size_t between(std::size_t low, std::size_t high) { return low + below(high - low + 1); }
    bool percent(std::size_t chance) { return below(100) < chance; }
    // Whether to make a mistake here, one that later damage would hardly hit upon.
    bool slips(std::size_t chance) { return care_ == Care::kSloppy && percent(chance); }
    std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }
    std::uint16_t number() { return static_cast<std::uint16_t>(below(65536)); }

    template <typename T, std::size_t N>
    T pick(const T (&values)[N]) {
        return values[below(N)];
    }

    Bytes bytes(std::size_t size) {
        Bytes result(size);
        std::generate(result.begin(), result.end(), [this] { return byte(); });
        return result;
    }

private:
    std::mt19937_64& random_;
    Care care_;
};

enum class Family { kIpv4, kIpv6 };

// A fragment's place in the packet it is a part of.
struct Place {
    std::uint16_t offset = 0;
    bool more = false;
};

Place random_place(Dice& dice) {
    constexpr Place kPlaces[] = {{0, false}, {0, true},  {0, true},   {1, false},
                                 {1, true},  {2, false}, {185, true}, {8191, false}};
    return dice.pick(kPlaces);
}

std::string random_address(Dice& dice, Family family) {
    std::string last = std::to_string(dice.between(1, 254));
    if (family == Family::kIpv4)
        return dice.pick({"192.0.2.", "198.51.100.", "203.0.113.", "10.0.0."}) + last;
    return dice.pick({"2001:db8::", "2001:db8:1:2::", "fe80::", "ff02::"}) + last;
}

Packet random_payload(Dice& dice) {
    std::size_t size = dice.percent(60) ? dice.below(24) : dice.below(1401);
    return raw(dice.bytes(size));
}

Packet random_network(Dice& dice, int tunnels);

// Layer 4.

std::uint16_t random_port(Dice& dice) {
    return dice.percent(50) ? dice.pick<std::uint16_t>({22, 53, 80, 443, 4789, 8080}) : dice.number();
}

Packet random_tcp(Dice& dice) {
    Tcp header{.source = dice.number(),
               .destination = random_port(dice),
               .flags = dice.byte(),
               .options = dice.percent(40) ? dice.bytes(dice.between(0, 40)) : Bytes{}};
    if (dice.slips(10)) header.header_words = static_cast<std::uint8_t>(dice.below(16));
    return tcp(header);
}

Packet random_udp(Dice& dice) {
    return udp({.source = dice.number(), .destination = random_port(dice)});
}

Packet random_sctp(Dice& dice) {
    return sctp({.source = dice.number(), .destination = random_port(dice)});
}

// Each of the two in each of the families: in the wrong one it is a protocol like any other.
Packet random_icmp(Dice& dice, Family family) {
    bool right_one = dice.percent(80);
    if ((family == Family::kIpv4) == right_one) return icmp({.type = dice.byte(), .code = dice.byte()});
    return icmpv6({.type = dice.byte(), .code = dice.byte()});
}

Packet random_tunnel(Dice& dice, int tunnels) {
    Packet inner = random_network(dice, tunnels - 1);
    switch (dice.below(3)) {
        case 0:
            return gre() / inner;
        case 1:
            return inner;
        default:
            return udp({.destination = kVxlanPort}) / vxlan() / ethernet() / inner;
    }
}

Packet other_protocol(Dice& dice) {
    constexpr std::uint8_t kProtocols[] = {kEsp, kNoNext, kMobility, kHip, kShim6, kExperimentalProtocol,
                                           2,    89,      255};
    return Layer{.protocol = dice.pick(kProtocols)};
}

// The packet ends within the layer-4 header, or just behind it.
Packet short_transport(Dice& dice) {
    return Layer{.bytes = dice.bytes(dice.below(22)),
                 .protocol = dice.pick({kTcp, kUdp, kSctp, kIcmp, kIcmpv6})};
}

Packet random_transport(Dice& dice, Family family, int tunnels) {
    if (dice.slips(8)) return short_transport(dice);
    Packet data = random_payload(dice);
    std::size_t kind = dice.below(100);
    if (kind < 35) return random_tcp(dice) / data;
    if (kind < 55) return random_udp(dice) / data;
    if (kind < 65) return random_sctp(dice) / data;
    if (kind < 80) return random_icmp(dice, family) / data;
    if (kind < 90 && tunnels > 0) return random_tunnel(dice, tunnels);
    return other_protocol(dice) / data;
}

// IPv4 and IPv6.

Packet random_ipv4(Dice& dice, int tunnels) {
    Place place = dice.percent(30) ? random_place(dice) : Place{};
    Ipv4 header{.source = random_address(dice, Family::kIpv4),
                .destination = random_address(dice, Family::kIpv4),
                .tos = dice.byte(),
                .ttl = dice.byte(),
                .id = dice.number(),
                .dont_fragment = dice.percent(30),
                .more_fragments = place.more,
                .fragment_offset = place.offset,
                .options = dice.percent(30) ? dice.bytes(dice.between(1, 40)) : Bytes{}};
    if (dice.slips(3)) header.total_length = static_cast<std::uint16_t>(dice.below(100));
    if (dice.percent(5))  // AH ends the parse in IPv4
        return ipv4(header) / ah() / random_transport(dice, Family::kIpv4, tunnels);
    return ipv4(header) / random_transport(dice, Family::kIpv4, tunnels);
}

Ipv6 random_ipv6_header(Dice& dice) {
    Ipv6 header{.source = random_address(dice, Family::kIpv6),
                .destination = random_address(dice, Family::kIpv6),
                .traffic_class = dice.byte(),
                .flow_label = static_cast<std::uint32_t>(dice.below(1 << 20)),
                .hop_limit = dice.byte()};
    if (dice.slips(3)) header.payload_length = static_cast<std::uint16_t>(dice.below(100));
    return header;
}

Packet random_fragment_header(Dice& dice) {
    Place place = dice.percent(40) ? Place{} : random_place(dice);
    return fragment({.offset = place.offset, .more = place.more, .id = dice.number()});
}

// The second byte of an extension header; nothing: the one that fits its size.
std::optional<std::uint8_t> random_length(Dice& dice) {
    return dice.slips(3) ? std::optional(dice.byte()) : std::nullopt;
}

Packet random_extension(Dice& dice) {
    if (dice.percent(12)) return random_fragment_header(dice);
    std::size_t size = 8 * (dice.percent(80) ? dice.between(1, 3) : dice.between(1, 30));
    switch (dice.below(3)) {
        case 0:
            return routing({.size = size, .length = random_length(dice)});
        case 1:
            return ah({.size = 4 * dice.between(2, 12), .length = random_length(dice)});
        default:
            return destination_options({.size = size, .length = random_length(dice)});
    }
}

Packet random_ipv6(Dice& dice, int tunnels) {
    Packet packet = ipv6(random_ipv6_header(dice));
    std::size_t headers = dice.percent(50) ? dice.below(3) : dice.below(13);
    for (std::size_t i = 0; i < headers; ++i) {
        bool hop = i == 0 ? dice.percent(30) : dice.percent(1);
        packet = packet / (hop ? hop_by_hop({.size = 8 * dice.between(1, 4)}) : random_extension(dice));
    }
    return packet / random_transport(dice, Family::kIpv6, tunnels);
}

Packet random_network(Dice& dice, int tunnels) {
    return dice.percent(45) ? random_ipv4(dice, tunnels) : random_ipv6(dice, tunnels);
}

// Frames beyond the first buffer.

// Options headers of `size` bytes in all.
Packet long_options(Dice& dice, std::size_t size) {
    Packet packet;
    bool first = true;
    while (size >= 8) {
        std::size_t part = std::min(size, kLongestExtension) / 8 * 8;
        Extension header{.size = part};
        packet = packet / (first && dice.percent(50) ? hop_by_hop(header) : destination_options(header));
        size -= part;
        first = false;
    }
    return packet;
}

// Layer 4 or another extension header lies up to 7 KB behind the IPv6 header, often on the border between two
// buffers.
Packet random_long_chain(Dice& dice) {
    std::size_t size =
        dice.percent(50) ? dice.between(kFirstBuffer - 128, kFirstBuffer + 16) : dice.between(2048, 7 * 1024);
    Packet packet = ipv6(random_ipv6_header(dice));
    packet = packet / long_options(dice, size);
    if (dice.percent(30)) packet = packet / random_extension(dice);
    return packet / random_transport(dice, Family::kIpv6, 0);
}

Packet random_long_packet(Dice& dice) {
    if (dice.percent(60)) return random_long_chain(dice);
    Packet packet = random_network(dice, 0);
    return packet / raw(dice.bytes(dice.between(kFirstBuffer - 100, kLongestFrame / 2)));
}

Packet random_ip(Dice& dice) {
    Packet packet = dice.percent(10) ? random_long_packet(dice) : random_network(dice, 2);
    if (dice.percent(15)) packet = packet / padding(dice.between(1, 46));
    return packet;
}

// Link layers.

Packet random_tags(Dice& dice) {
    constexpr std::size_t kTags[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
    Packet packet;
    std::size_t tags = dice.pick(kTags);
    for (std::size_t i = 0; i < tags; ++i) {
        packet = packet / vlan({.id = dice.number(),
                                .priority = static_cast<std::uint8_t>(dice.below(8)),
                                .drop_eligible = dice.percent(10),
                                .tag_ethertype = dice.pick({kVlan, kServiceVlan})});
    }
    return packet;
}

Packet random_not_ip(Dice& dice) {
    switch (dice.below(4)) {
        case 0:
            return arp() / padding(18);
        case 1:
            return pppoe() / random_network(dice, 0);
        case 2:
            return mpls() / random_network(dice, 0);
        default:
            return Layer{.bytes = dice.bytes(dice.below(100)), .ethertype = dice.number()};
    }
}

Packet random_frame(Dice& dice, fw_link link) {
    if (link == FW_LINK_IP) return dice.slips(2) ? raw(dice.bytes(dice.below(60))) : random_ip(dice);
    if (dice.percent(2)) return ieee802_3() / random_payload(dice);
    Packet frame = ethernet() / random_tags(dice);
    return frame / (dice.percent(92) ? random_ip(dice) : random_not_ip(dice));
}

// Damage. It does not know where the fields are, only that headers stand in front: what it hits is left to
// chance, but for the first bytes of the network header and of what follows it, where the lengths are.

std::uint8_t edge_value(Dice& dice) {
    constexpr std::uint8_t kEdges[] = {0,    1,    4,    5,    7,    8,    0x0f, 0x40, 0x44,
                                       0x45, 0x4f, 0x50, 0x60, 0x7f, 0x80, 0xf0, 0xff};
    constexpr std::uint8_t kNextHeaders[] = {kHopByHop, kIcmp,   kTcp, kUdp,    kRouting,           kFragment,
                                             kAh,       kIcmpv6, kEsp, kNoNext, kDestinationOptions};
    return dice.percent(50) ? dice.pick(kEdges) : dice.pick(kNextHeaders);
}

// Offsets from the start of the network header: IPv4 version, length and protocol; IPv6 length and next
// header; layer 4 behind either, TCP's data offset among it.
std::size_t random_field(Dice& dice, std::size_t network) {
    constexpr std::size_t kFields[] = {0, 0, 2, 3, 4, 5, 6, 7, 9, 32, 40, 41, 42, 43, 48, 49, 52};
    return dice.percent(70) ? network + dice.pick(kFields) : dice.below(network + 100);
}

void damage(Dice& dice, Bytes& frame, std::size_t network) {
    std::size_t times = dice.between(1, 3);
    for (std::size_t i = 0; i < times; ++i) {
        std::size_t at = random_field(dice, network);
        if (at >= frame.size()) continue;
        if (dice.percent(50))
            frame[at] = edge_value(dice);
        else
            frame[at] ^= static_cast<std::uint8_t>(1 << dice.below(8));
    }
}

// At any byte, mostly where headers are.
std::size_t random_cut(Dice& dice, std::size_t size) {
    return dice.percent(70) ? dice.below(std::min<std::size_t>(size, 120) + 1) : dice.below(size + 1);
}

}  // namespace

Bytes random_wellformed_packet(std::mt19937_64& random, fw_link link) {
    Dice dice(random, Dice::Care::kWellformed);
    return random_frame(dice, link);
}

Bytes random_packet(std::mt19937_64& random, fw_link link) {
    Dice dice(random, Dice::Care::kSloppy);
    Bytes frame = cut(random_frame(dice, link), kLongestFrame);
    if (dice.percent(30))
        damage(dice, frame, link == FW_LINK_IP ? 0 : dice.pick<std::size_t>({14, 14, 18, 22}));
    if (dice.percent(20)) frame = cut(frame, random_cut(dice, frame.size()));
    return frame;
}

}  // namespace fwctl::testing
