// Packets as a test writes them down: `Bytes frame = ethernet() / vlan({.id = 7}) / ipv4() /
// udp({.destination = 9})`.
//
// Promises: what a test leaves out is filled in: ethertypes and protocol numbers from the layer behind,
// lengths from the bytes behind, checksums over both. What a test writes is kept, however wrong it is. Frames
// above 65,535 bytes get the length 0 of a jumbogram (BIG TCP). Does not promise: sensible L4 checksums in
// fragments or behind routing headers.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fwctl::testing {

using Bytes = std::vector<std::uint8_t>;

// Ethertypes.
inline constexpr std::uint16_t kIpv4 = 0x0800;
inline constexpr std::uint16_t kArp = 0x0806;
inline constexpr std::uint16_t kBridged = 0x6558;  // an Ethernet frame within GRE
inline constexpr std::uint16_t kVlan = 0x8100;
inline constexpr std::uint16_t kIpv6 = 0x86dd;
inline constexpr std::uint16_t kMpls = 0x8847;
inline constexpr std::uint16_t kPppoe = 0x8864;
inline constexpr std::uint16_t kServiceVlan = 0x88a8;
inline constexpr std::uint16_t kExperimentalEthertype = 0x88b5;

// Protocol numbers.
inline constexpr std::uint8_t kHopByHop = 0;
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kIpv4InIp = 4;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kIpv6InIp = 41;
inline constexpr std::uint8_t kRouting = 43;
inline constexpr std::uint8_t kFragment = 44;
inline constexpr std::uint8_t kGre = 47;
inline constexpr std::uint8_t kEsp = 50;
inline constexpr std::uint8_t kAh = 51;
inline constexpr std::uint8_t kIcmpv6 = 58;
inline constexpr std::uint8_t kNoNext = 59;
inline constexpr std::uint8_t kDestinationOptions = 60;
inline constexpr std::uint8_t kSctp = 132;
inline constexpr std::uint8_t kMobility = 135;
inline constexpr std::uint8_t kHip = 139;
inline constexpr std::uint8_t kShim6 = 140;
inline constexpr std::uint8_t kExperimentalProtocol = 253;

inline constexpr std::uint16_t kVxlanPort = 4789;

struct Layer;

// What a layer needs to know of the others to fill its own fields.
struct Surroundings {
    const Layer* next;                   // nullptr: nothing follows
    const Layer* ip;                     // the nearest IP header in front; nullptr: none
    std::span<const std::uint8_t> body;  // all that follows, finished, without padding
};

struct Layer {
    Bytes bytes = {};
    std::optional<std::uint16_t> ethertype = {};  // how a link header in front names this layer
    std::optional<std::uint8_t> protocol = {};    // how an IP or extension header in front names this layer
    bool is_ip = false;
    bool is_padding = false;  // behind the end of all layers, in no length
    std::function<void(Layer& self, const Surroundings& around)> finish = {};
};

class Packet {
public:
    Packet() = default;
    Packet(Layer layer);  // implicit, so that layers compose

    Bytes bytes() const;
    operator Bytes() const { return bytes(); }

    friend Packet operator/(Packet outer, const Packet& inner);

private:
    std::vector<Layer> layers_;
};

// Link layers.

struct Ethernet {
    std::string destination = "02:00:00:00:00:02";
    std::string source = "02:00:00:00:00:01";
    std::optional<std::uint16_t> ethertype = {};
};
Packet ethernet(const Ethernet& fields = {});
Packet ethernet(std::integral auto ethertype) {
    return ethernet(Ethernet{.ethertype = static_cast<std::uint16_t>(ethertype)});
}

struct Vlan {
    std::uint16_t id = 1;
    std::uint8_t priority = 0;
    bool drop_eligible = false;
    std::uint16_t tag_ethertype = kVlan;  // stands in the header in front
    std::optional<std::uint16_t> ethertype = {};
};
Packet vlan(const Vlan& fields = {});

Packet ieee802_3();  // MAC addresses, length and LLC
Packet arp();

struct Pppoe {
    std::uint16_t session = 1;
    std::uint16_t protocol = 0x0021;  // PPP: IPv4
};
Packet pppoe(const Pppoe& fields = {});

struct Mpls {
    std::uint32_t label = 16;
    bool bottom = true;
};
Packet mpls(const Mpls& fields = {});

// IP.

struct Ipv4 {
    std::string source = "192.0.2.1";
    std::string destination = "198.51.100.1";
    std::optional<std::uint8_t> protocol = {};
    std::uint8_t tos = 0;
    std::uint8_t ttl = 64;
    std::uint16_t id = 1;
    bool dont_fragment = false;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  // in units of 8 bytes
    Bytes options = {};                 // padded to whole words
    std::uint8_t version = 4;
    std::optional<std::uint8_t> header_words = {};
    std::optional<std::uint16_t> total_length = {};
};
Packet ipv4(const Ipv4& fields = {});

struct Ipv6 {
    std::string source = "2001:db8::1";
    std::string destination = "2001:db8::2";
    std::optional<std::uint8_t> next_header = {};
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0;
    std::uint8_t hop_limit = 64;
    std::uint8_t version = 6;
    std::optional<std::uint16_t> payload_length = {};
};
Packet ipv6(const Ipv6& fields = {});

// IPv6 extension headers. `size` is in bytes, a multiple of 8 up to 2,048 (AH: of 4, up to 1,028).

struct Extension {
    std::optional<std::uint8_t> next_header = {};
    std::size_t size = 8;
    std::optional<std::uint8_t> length = {};  // the second byte, when it shall not fit the size
};
Packet hop_by_hop(const Extension& fields = {});
Packet destination_options(const Extension& fields = {});
Packet routing(const Extension& fields = {});

struct Fragment {
    std::optional<std::uint8_t> next_header = {};
    std::uint16_t offset = 0;  // in units of 8 bytes
    bool more = false;
    std::uint32_t id = 1;
};
Packet fragment(const Fragment& fields = {});

struct Ah {
    std::optional<std::uint8_t> next_header = {};
    std::size_t size = 24;
    std::optional<std::uint8_t> length = {};
};
Packet ah(const Ah& fields = {});

// Layer 4.

inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kPsh = 0x08;
inline constexpr std::uint8_t kAck = 0x10;

struct Tcp {
    std::uint16_t source = 40000;
    std::uint16_t destination = 80;
    std::uint32_t sequence = 1;
    std::uint32_t acknowledgement = 0;
    std::uint8_t flags = kSyn;
    std::uint16_t window = 65535;
    Bytes options = {};  // padded to whole words
    std::optional<std::uint8_t> header_words = {};
};
Packet tcp(const Tcp& fields = {});

struct Udp {
    std::uint16_t source = 40000;
    std::uint16_t destination = 53;
    std::optional<std::uint16_t> length = {};
};
Packet udp(const Udp& fields = {});

struct Sctp {
    std::uint16_t source = 40000;
    std::uint16_t destination = 5060;
    std::uint32_t tag = 1;
};
Packet sctp(const Sctp& fields = {});

struct Icmp {
    std::uint8_t type = 8;  // echo request
    std::uint8_t code = 0;
    std::uint32_t rest = 0x00010001;
};
Packet icmp(const Icmp& fields = {});

struct Icmpv6 {
    std::uint8_t type = 128;  // echo request
    std::uint8_t code = 0;
    std::uint32_t rest = 0x00010001;
};
Packet icmpv6(const Icmpv6& fields = {});

Packet esp();  // eight bytes: SPI and sequence number

// Tunnels, with the inner packet behind. IPIP is `ipv4() / ipv4()`.

Packet gre();
Packet vxlan(std::uint32_t vni = 1);  // behind udp({.destination = kVxlanPort})

// Bytes.

Packet payload(std::size_t size);  // 0, 1, 2, …
Packet raw(Bytes bytes);
Packet padding(std::size_t size);  // zeros behind the IP packet's end

// The first `size` bytes of a frame.
Bytes cut(Bytes frame, std::size_t size);

}  // namespace fwctl::testing
