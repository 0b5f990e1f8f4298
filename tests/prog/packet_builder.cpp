#include "packet_builder.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace fwctl::testing {

namespace {

// Numbers in network byte order, appended to `bytes` or written over them.

void add8(Bytes& bytes, std::size_t value) {
    bytes.push_back(static_cast<std::uint8_t>(value));
}

void add16(Bytes& bytes, std::size_t value) {
    add8(bytes, value >> 8);
    add8(bytes, value);
}

void add32(Bytes& bytes, std::size_t value) {
    add16(bytes, value >> 16);
    add16(bytes, value);
}

void put16(Bytes& bytes, std::size_t at, std::size_t value) {
    bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
    bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

void append(Bytes& bytes, std::span<const std::uint8_t> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
}

void add_mac(Bytes& bytes, const std::string& text) {
    std::array<unsigned, 6> mac{};
    if (std::sscanf(text.c_str(), "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
                    &mac[5]) != 6)
        throw std::invalid_argument("not a MAC address: " + text);
    for (unsigned byte : mac) add8(bytes, byte);
}

void add_address(Bytes& bytes, int family, const std::string& text) {
    std::array<std::uint8_t, 16> address{};
    if (inet_pton(family, text.c_str(), address.data()) != 1)
        throw std::invalid_argument("not an address: " + text);
    append(bytes, std::span(address).first(family == AF_INET ? 4 : 16));
}

Bytes padded_to_words(Bytes options) {
    while (options.size() % 4 != 0) options.push_back(0);
    return options;
}

// The Internet checksum (RFC 1071).
std::uint16_t checksum(const Bytes& bytes) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
    while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
    return static_cast<std::uint16_t>(~sum);
}

// CRC32c (RFC 9260, appendix A), bit by bit.
std::uint32_t crc32c(const Bytes& bytes) {
    std::uint32_t crc = 0xffffffff;
    for (std::uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

// What TCP, UDP and ICMPv6 sum over: addresses, length and protocol, then themselves (RFC 8200, 8.1).
Bytes with_pseudo_header(const Layer& self, const Surroundings& around) {
    Bytes bytes;
    if (around.ip != nullptr) {
        bool is_ipv4 = around.ip->ethertype == kIpv4;
        append(bytes, std::span(around.ip->bytes).subspan(is_ipv4 ? 12 : 8, is_ipv4 ? 8 : 32));
    }
    add32(bytes, self.bytes.size() + around.body.size());
    add32(bytes, self.protocol.value_or(0));
    append(bytes, self.bytes);
    append(bytes, around.body);
    return bytes;
}

std::uint16_t ethertype_of(const std::optional<std::uint16_t>& asked, const Layer* next) {
    if (asked.has_value()) return *asked;
    return next != nullptr ? next->ethertype.value_or(kExperimentalEthertype) : kExperimentalEthertype;
}

std::uint8_t protocol_of(const std::optional<std::uint8_t>& asked, const Layer* next) {
    if (asked.has_value()) return *asked;
    return next != nullptr ? next->protocol.value_or(kExperimentalProtocol) : kExperimentalProtocol;
}

// A length field of 16 bits; what does not fit is a jumbogram's 0.
std::size_t jumbo_length(std::size_t length) {
    return length > 0xffff ? 0 : length;
}

Packet extension(std::uint8_t protocol, const Extension& fields, const Bytes& content) {
    Bytes bytes;
    add8(bytes, 0);
    add8(bytes, fields.length.value_or(static_cast<std::uint8_t>(fields.size / 8 - 1)));
    append(bytes, content);
    bytes.resize(fields.size);
    return Layer{
        .bytes = bytes, .protocol = protocol, .finish = [fields](Layer& self, const Surroundings& around) {
            self.bytes.at(0) = protocol_of(fields.next_header, around.next);
        }};
}

// The body of an options header: PadN (RFC 8200, 4.2), which holds up to 255 bytes.
Bytes options_of(std::size_t size) {
    Bytes options;
    while (options.size() + 1 < size) {
        std::size_t data = std::min<std::size_t>(size - options.size() - 2, 255);
        add8(options, 1);
        add8(options, data);
        options.resize(options.size() + data);
    }
    return options;
}

}  // namespace

Packet::Packet(Layer layer) {
    layers_.push_back(std::move(layer));
}

Packet operator/(Packet outer, const Packet& inner) {
    outer.layers_.insert(outer.layers_.end(), inner.layers_.begin(), inner.layers_.end());
    return outer;
}

// From the innermost layer outwards, since a checksum covers the finished bytes behind it.
Bytes Packet::bytes() const {
    std::vector<Layer> layers = layers_;
    Bytes body;
    Bytes tail;
    const Layer* next = nullptr;
    for (std::size_t i = layers.size(); i-- > 0;) {
        Layer& layer = layers[i];
        if (layer.is_padding) {
            append(tail, layer.bytes);
            continue;
        }
        const Layer* ip = nullptr;
        for (std::size_t outer = 0; outer < i; ++outer) {
            if (layers[outer].is_ip) ip = &layers[outer];
        }
        if (layer.finish) layer.finish(layer, {.next = next, .ip = ip, .body = body});
        body.insert(body.begin(), layer.bytes.begin(), layer.bytes.end());
        next = &layer;
    }
    append(body, tail);
    return body;
}

Packet ethernet(const Ethernet& fields) {
    Bytes bytes;
    add_mac(bytes, fields.destination);
    add_mac(bytes, fields.source);
    add16(bytes, 0);
    return Layer{
        .bytes = bytes, .ethertype = kBridged, .finish = [fields](Layer& self, const Surroundings& around) {
            put16(self.bytes, 12, ethertype_of(fields.ethertype, around.next));
        }};
}

Packet vlan(const Vlan& fields) {
    Bytes bytes;
    add16(bytes, fields.priority << 13 | (fields.drop_eligible ? 1 << 12 : 0) | (fields.id & 0xfff));
    add16(bytes, 0);
    return Layer{.bytes = bytes,
                 .ethertype = fields.tag_ethertype,
                 .finish = [ethertype = fields.ethertype](Layer& self, const Surroundings& around) {
                     put16(self.bytes, 2, ethertype_of(ethertype, around.next));
                 }};
}

Packet ieee802_3() {
    Bytes bytes;
    add_mac(bytes, "01:80:c2:00:00:00");
    add_mac(bytes, "02:00:00:00:00:01");
    add16(bytes, 0);
    append(bytes, Bytes{0x42, 0x42, 0x03});  // LLC of the spanning tree protocol
    return Layer{.bytes = bytes, .finish = [](Layer& self, const Surroundings& around) {
                     put16(self.bytes, 12, std::min<std::size_t>(3 + around.body.size(), 1500));
                 }};
}

Packet arp() {
    Bytes bytes{0, 1, 8, 0, 6, 4, 0, 1};  // Ethernet, IPv4, request
    add_mac(bytes, "02:00:00:00:00:01");
    add_address(bytes, AF_INET, "192.0.2.1");
    add_mac(bytes, "00:00:00:00:00:00");
    add_address(bytes, AF_INET, "198.51.100.1");
    return Layer{.bytes = bytes, .ethertype = kArp};
}

Packet pppoe(const Pppoe& fields) {
    Bytes bytes{0x11, 0x00};
    add16(bytes, fields.session);
    add16(bytes, 0);
    add16(bytes, fields.protocol);
    return Layer{.bytes = bytes, .ethertype = kPppoe, .finish = [](Layer& self, const Surroundings& around) {
                     put16(self.bytes, 4, 2 + around.body.size());
                 }};
}

Packet mpls(const Mpls& fields) {
    Bytes bytes;
    add32(bytes, fields.label << 12 | (fields.bottom ? 1 << 8 : 0) | 64);
    return Layer{.bytes = bytes, .ethertype = kMpls};
}

Packet ipv4(const Ipv4& fields) {
    Bytes options = padded_to_words(fields.options);
    Bytes bytes;
    add8(bytes, fields.version << 4 | fields.header_words.value_or((20 + options.size()) / 4));
    add8(bytes, fields.tos);
    add16(bytes, 0);
    add16(bytes, fields.id);
    add16(bytes, (fields.dont_fragment ? 0x4000 : 0) | (fields.more_fragments ? 0x2000 : 0) |
                     fields.fragment_offset);
    add8(bytes, fields.ttl);
    add8(bytes, 0);
    add16(bytes, 0);
    add_address(bytes, AF_INET, fields.source);
    add_address(bytes, AF_INET, fields.destination);
    append(bytes, options);
    auto finish = [protocol = fields.protocol, length = fields.total_length](Layer& self,
                                                                             const Surroundings& around) {
        put16(self.bytes, 2, length.value_or(jumbo_length(self.bytes.size() + around.body.size())));
        self.bytes.at(9) = protocol_of(protocol, around.next);
        put16(self.bytes, 10, checksum(self.bytes));
    };
    return Layer{.bytes = bytes, .ethertype = kIpv4, .protocol = kIpv4InIp, .is_ip = true, .finish = finish};
}

Packet ipv6(const Ipv6& fields) {
    Bytes bytes;
    add32(bytes,
          std::size_t{fields.version} << 28 | fields.traffic_class << 20 | (fields.flow_label & 0xfffff));
    add16(bytes, 0);
    add8(bytes, 0);
    add8(bytes, fields.hop_limit);
    add_address(bytes, AF_INET6, fields.source);
    add_address(bytes, AF_INET6, fields.destination);
    auto finish = [asked = fields.next_header, length = fields.payload_length](Layer& self,
                                                                               const Surroundings& around) {
        put16(self.bytes, 4, length.value_or(jumbo_length(around.body.size())));
        self.bytes.at(6) = protocol_of(asked, around.next);
    };
    return Layer{.bytes = bytes, .ethertype = kIpv6, .protocol = kIpv6InIp, .is_ip = true, .finish = finish};
}

Packet hop_by_hop(const Extension& fields) {
    return extension(kHopByHop, fields, options_of(fields.size - 2));
}

Packet destination_options(const Extension& fields) {
    return extension(kDestinationOptions, fields, options_of(fields.size - 2));
}

// Type 253, for experiments (RFC 4727): nobody acts on it, no segments are left.
Packet routing(const Extension& fields) {
    return extension(kRouting, fields, {253, 0});
}

Packet fragment(const Fragment& fields) {
    Bytes bytes{0, 0};
    add16(bytes, fields.offset << 3 | (fields.more ? 1 : 0));
    add32(bytes, fields.id);
    return Layer{.bytes = bytes,
                 .protocol = kFragment,
                 .finish = [next = fields.next_header](Layer& self, const Surroundings& around) {
                     self.bytes.at(0) = protocol_of(next, around.next);
                 }};
}

Packet ah(const Ah& fields) {
    Bytes bytes;
    add8(bytes, 0);
    add8(bytes, fields.length.value_or(static_cast<std::uint8_t>(fields.size / 4 - 2)));
    add16(bytes, 0);
    add32(bytes, 0x100);  // SPI
    bytes.resize(fields.size);
    return Layer{.bytes = bytes,
                 .protocol = kAh,
                 .finish = [next = fields.next_header](Layer& self, const Surroundings& around) {
                     self.bytes.at(0) = protocol_of(next, around.next);
                 }};
}

Packet tcp(const Tcp& fields) {
    Bytes options = padded_to_words(fields.options);
    Bytes bytes;
    add16(bytes, fields.source);
    add16(bytes, fields.destination);
    add32(bytes, fields.sequence);
    add32(bytes, fields.acknowledgement);
    add8(bytes, fields.header_words.value_or((20 + options.size()) / 4) << 4);
    add8(bytes, fields.flags);
    add16(bytes, fields.window);
    add32(bytes, 0);
    append(bytes, options);
    return Layer{.bytes = bytes, .protocol = kTcp, .finish = [](Layer& self, const Surroundings& around) {
                     put16(self.bytes, 16, checksum(with_pseudo_header(self, around)));
                 }};
}

Packet udp(const Udp& fields) {
    Bytes bytes;
    add16(bytes, fields.source);
    add16(bytes, fields.destination);
    add32(bytes, 0);
    return Layer{.bytes = bytes,
                 .protocol = kUdp,
                 .finish = [length = fields.length](Layer& self, const Surroundings& around) {
                     put16(self.bytes, 4,
                           length.value_or(jumbo_length(self.bytes.size() + around.body.size())));
                     std::uint16_t sum = checksum(with_pseudo_header(self, around));
                     put16(self.bytes, 6, sum == 0 ? 0xffff : sum);  // 0 would mean that there is none
                 }};
}

Packet sctp(const Sctp& fields) {
    Bytes bytes;
    add16(bytes, fields.source);
    add16(bytes, fields.destination);
    add32(bytes, fields.tag);
    add32(bytes, 0);
    return Layer{.bytes = bytes, .protocol = kSctp, .finish = [](Layer& self, const Surroundings& around) {
                     Bytes all = self.bytes;
                     append(all, around.body);
                     std::uint32_t crc = crc32c(all);
                     for (std::size_t i = 0; i < 4; ++i)  // the one little-endian field on the wire
                         self.bytes.at(8 + i) = static_cast<std::uint8_t>(crc >> (8 * i));
                 }};
}

Packet icmp(const Icmp& fields) {
    Bytes bytes{fields.type, fields.code, 0, 0};
    add32(bytes, fields.rest);
    return Layer{.bytes = bytes, .protocol = kIcmp, .finish = [](Layer& self, const Surroundings& around) {
                     Bytes all = self.bytes;
                     append(all, around.body);
                     put16(self.bytes, 2, checksum(all));
                 }};
}

Packet icmpv6(const Icmpv6& fields) {
    Bytes bytes{fields.type, fields.code, 0, 0};
    add32(bytes, fields.rest);
    return Layer{.bytes = bytes, .protocol = kIcmpv6, .finish = [](Layer& self, const Surroundings& around) {
                     put16(self.bytes, 2, checksum(with_pseudo_header(self, around)));
                 }};
}

Packet esp() {
    return Layer{.bytes = {0, 0, 1, 0, 0, 0, 0, 1}, .protocol = kEsp};
}

Packet gre() {
    return Layer{
        .bytes = {0, 0, 0, 0}, .protocol = kGre, .finish = [](Layer& self, const Surroundings& around) {
            put16(self.bytes, 2, ethertype_of({}, around.next));
        }};
}

Packet vxlan(std::uint32_t vni) {
    Bytes bytes{0x08, 0, 0, 0};
    add32(bytes, vni << 8);
    return Layer{.bytes = bytes};
}

Packet payload(std::size_t size) {
    Bytes bytes;
    for (std::size_t i = 0; i < size; ++i) add8(bytes, i);
    return Layer{.bytes = bytes};
}

Packet raw(Bytes bytes) {
    return Layer{.bytes = std::move(bytes)};
}

Packet padding(std::size_t size) {
    return Layer{.bytes = Bytes(size), .is_padding = true};
}

Bytes cut(Bytes frame, std::size_t size) {
    frame.resize(std::min(size, frame.size()));
    return frame;
}

}  // namespace fwctl::testing
