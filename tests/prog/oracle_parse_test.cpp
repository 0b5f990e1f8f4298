// The oracle against docs/parsing.md, a case for each of its sentences.
#include "oracle_parse.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <string>

#include "packet_builder.h"

namespace fwctl::testing {

namespace {

OracleResult parse(const Bytes& frame, std::optional<std::uint16_t> stripped_tag = {}) {
    return oracle_parse(frame, FW_LINK_ETHERNET, stripped_tag);
}

OracleResult parse_ip(const Bytes& frame) {
    return oracle_parse(frame, FW_LINK_IP);
}

std::optional<fw_reason> reason_of(const Bytes& frame) {
    return parse(frame).reason;
}

constexpr std::optional<fw_reason> kNoReason{};

Bytes address_bytes(const fw_address& address) {
    return Bytes(address.bytes, address.bytes + 16);
}

Packet many(const Packet& header, int times) {
    Packet packet;
    for (int i = 0; i < times; ++i) packet = packet / header;
    return packet;
}

}  // namespace

// Everything at once, from bytes that no builder touched.

TEST(OracleParse, TaggedTcpOverIpv4) {
    const Bytes frame{0x02, 0,    0,    0,    0,    2,    0x02, 0,    0,    0,    0,    1,
                      0x81, 0x00, 0x60, 0x07, 0x08, 0x00,  // VLAN 7, PCP 3
                      0x45, 0xb8, 0x00, 0x28, 0x00, 0x01, 0x40, 0x00, 0x3f, 0x06, 0x00, 0x00,  // DF, ttl 63
                      192,  0,    2,    1,    198,  51,   100,  1,                             //
                      0x9c, 0x40, 0x00, 0x50, 0,    0,    0,    1,    0,    0,    0,    0,
                      0x50, 0x12, 0xff, 0xff, 0,    0,    0,    0};
    auto [packet, reason] = parse(frame);
    EXPECT_EQ(reason, kNoReason);
    EXPECT_EQ(address_bytes(packet.source), (Bytes{192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(address_bytes(packet.destination),
              (Bytes{198, 51, 100, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(packet.length, 58u);
    EXPECT_EQ(packet.ethertype, 0x0800);
    EXPECT_EQ(packet.vlan_tags, 1);
    EXPECT_EQ(packet.vlan[0], 0x6007);
    EXPECT_EQ(packet.vlan[1], 0);
    EXPECT_EQ(packet.l3_offset, 18);
    EXPECT_EQ(packet.l4_offset, 38);
    EXPECT_EQ(packet.source_port, 40000);
    EXPECT_EQ(packet.selector, 80);
    EXPECT_EQ(packet.family, FW_FAMILY_IPV4);
    EXPECT_EQ(packet.protocol, 6);
    EXPECT_EQ(packet.fragment, FW_FRAGMENT_NONE);
    EXPECT_EQ(packet.flags, FW_PACKET_L4);
    EXPECT_EQ(packet.tcp_flags, 0x12);
    EXPECT_EQ(packet.ttl, 63);
    EXPECT_EQ(packet.traffic_class, 0xb8);
    EXPECT_EQ(packet.extension_count, 0);
}

TEST(OracleParse, Icmpv6BehindHopByHopOptions) {
    const Bytes frame{0x33, 0x33, 0, 0, 0, 0x16, 0x02, 0, 0,   0, 0, 1, 0x86, 0xdd,  //
                      0x6a, 0xb0, 0, 0, 0, 16,   0,    1,                            // traffic class 0xab
                      0xfe, 0x80, 0, 0, 0, 0,    0,    0, 0,   0, 0, 0, 0,    0,    0, 1,     //
                      0xff, 0x02, 0, 0, 0, 0,    0,    0, 0,   0, 0, 0, 0,    0,    0, 0x16,  //
                      58,   0,    5, 2, 0, 0,    1,    0, 143, 7, 0, 0, 0,    0,    0, 0};
    auto [packet, reason] = parse(frame);
    EXPECT_EQ(reason, kNoReason);
    EXPECT_EQ(address_bytes(packet.source), (Bytes{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_EQ(address_bytes(packet.destination),
              (Bytes{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16}));
    EXPECT_EQ(packet.length, 70u);
    EXPECT_EQ(packet.ethertype, 0x86dd);
    EXPECT_EQ(packet.vlan_tags, 0);
    EXPECT_EQ(packet.l3_offset, 14);
    EXPECT_EQ(packet.l4_offset, 62);
    EXPECT_EQ(packet.family, FW_FAMILY_IPV6);
    EXPECT_EQ(packet.protocol, 58);
    EXPECT_EQ(packet.flags, FW_PACKET_L4);
    EXPECT_EQ(packet.source_port, 0);
    EXPECT_EQ(packet.selector, 143 * 256 + 7);
    EXPECT_EQ(packet.tcp_flags, 0);
    EXPECT_EQ(packet.ttl, 1);
    EXPECT_EQ(packet.traffic_class, 0xab);
    EXPECT_EQ(packet.extension_count, 1);
}

// Link layer.

TEST(OracleLink, FamilyFromTheVersionNibble) {
    auto four = parse_ip(ipv4() / udp());
    EXPECT_EQ(four.reason, kNoReason);
    EXPECT_EQ(four.packet.ethertype, 0x0800);
    EXPECT_EQ(four.packet.family, FW_FAMILY_IPV4);
    EXPECT_EQ(four.packet.l3_offset, 0);
    EXPECT_EQ(four.packet.l4_offset, 20);

    auto six = parse_ip(ipv6() / udp());
    EXPECT_EQ(six.packet.ethertype, 0x86dd);
    EXPECT_EQ(six.packet.family, FW_FAMILY_IPV6);
    EXPECT_EQ(six.packet.l4_offset, 40);

    auto five = parse_ip(ipv4({.version = 5}) / udp());
    EXPECT_EQ(five.reason, kNoReason);
    EXPECT_EQ(five.packet.ethertype, 0);
    EXPECT_EQ(five.packet.family, FW_FAMILY_NONE);
    EXPECT_EQ(five.packet.length, 28u);
}

TEST(OracleLink, AnEmptyFrameIsTruncated) {
    EXPECT_EQ(parse_ip({}).reason, FW_REASON_TRUNCATED_ETHERNET);
    EXPECT_EQ(parse_ip({0x45}).reason, FW_REASON_TRUNCATED_IPV4);
    EXPECT_EQ(parse_ip({0x60}).reason, FW_REASON_TRUNCATED_IPV6);
    EXPECT_EQ(parse_ip({0x00}).reason, kNoReason);
}

TEST(OracleLink, FourteenBytesAreNeeded) {
    Bytes frame = ethernet(kArp);
    EXPECT_EQ(reason_of(frame), kNoReason);
    EXPECT_EQ(reason_of(cut(frame, 13)), FW_REASON_TRUNCATED_ETHERNET);
    EXPECT_EQ(parse(cut(frame, 13)).packet.length, 13u);
    EXPECT_EQ(reason_of({}), FW_REASON_TRUNCATED_ETHERNET);
}

TEST(OracleLink, AStrippedTagIsTheOutermostAndCounts) {
    auto one = parse(ethernet() / vlan({.id = 5}) / ipv4() / udp(), 0x2009);
    EXPECT_EQ(one.reason, kNoReason);
    EXPECT_EQ(one.packet.vlan_tags, 2);
    EXPECT_EQ(one.packet.vlan[0], 0x2009);
    EXPECT_EQ(one.packet.vlan[1], 5);
    EXPECT_EQ(one.packet.l3_offset, 18);

    auto two = parse(ethernet() / vlan() / vlan() / ipv4() / udp(), 9);
    EXPECT_EQ(two.reason, FW_REASON_VLAN_DEPTH);

    auto priority_tag = parse(ethernet() / ipv4() / udp(), 0);
    EXPECT_EQ(priority_tag.packet.vlan_tags, 1);
}

TEST(OracleLink, TagsOfBothEthertypes) {
    auto two = parse(ethernet() /
                     vlan({.id = 10, .priority = 7, .drop_eligible = true, .tag_ethertype = kServiceVlan}) /
                     vlan({.id = 20}) / ipv6() / tcp());
    EXPECT_EQ(two.reason, kNoReason);
    EXPECT_EQ(two.packet.vlan_tags, 2);
    EXPECT_EQ(two.packet.vlan[0], 0xf00a);
    EXPECT_EQ(two.packet.vlan[1], 20);
    EXPECT_EQ(two.packet.ethertype, 0x86dd);
    EXPECT_EQ(two.packet.l3_offset, 22);
    EXPECT_EQ(
        reason_of(ethernet() / vlan() / vlan() / vlan({.tag_ethertype = kServiceVlan}) / ipv4() / udp()),
        FW_REASON_VLAN_DEPTH);
}

TEST(OracleLink, DepthIsJudgedBeforeTruncation) {
    Bytes frame = ethernet() / vlan({.id = 3}) / vlan({.ethertype = kVlan});
    EXPECT_EQ(reason_of(frame), FW_REASON_VLAN_DEPTH);
    EXPECT_EQ(reason_of(cut(frame, 21)), FW_REASON_TRUNCATED_VLAN);
    EXPECT_EQ(parse(cut(frame, 21)).packet.vlan_tags, 1);
    EXPECT_EQ(parse(cut(frame, 21)).packet.vlan[0], 3);
    EXPECT_EQ(reason_of(cut(frame, 17)), FW_REASON_TRUNCATED_VLAN);
}

TEST(OracleLink, EverythingElseIsNotIp) {
    const std::map<std::uint16_t, Bytes> frames{
        {0x0806, ethernet() / arp()},
        {0x8864, ethernet() / pppoe() / ipv4() / tcp()},
        {0x8847, ethernet() / mpls() / ipv4() / tcp()},
        {38, ieee802_3() / payload(35)},
        {0x9100, ethernet(0x9100) / payload(4)},
    };
    for (const auto& [ethertype, frame] : frames) {
        auto [packet, reason] = parse(frame);
        EXPECT_EQ(reason, kNoReason);
        EXPECT_EQ(packet.ethertype, ethertype);
        EXPECT_EQ(packet.family, FW_FAMILY_NONE);
        EXPECT_EQ(packet.l3_offset, 14);
        EXPECT_EQ(packet.l4_offset, 0);
        EXPECT_EQ(packet.protocol, 0);
    }
    EXPECT_EQ(parse(ethernet() / vlan() / arp()).packet.ethertype, 0x0806);
}

// IPv4.

TEST(OracleIpv4, TwentyBytesAreNeeded) {
    auto [packet, reason] = parse(cut(ethernet() / ipv4() / udp(), 14 + 19));
    EXPECT_EQ(reason, FW_REASON_TRUNCATED_IPV4);
    EXPECT_EQ(packet.family, FW_FAMILY_IPV4);
    EXPECT_EQ(packet.ethertype, 0x0800);
    EXPECT_EQ(packet.ttl, 0);
}

TEST(OracleIpv4, VersionAndHeaderLength) {
    for (std::uint8_t version : Bytes{0, 3, 5, 6, 15})
        EXPECT_EQ(reason_of(ethernet(kIpv4) / ipv4({.version = version}) / udp()), FW_REASON_MALFORMED_IPV4);
    auto [packet, reason] = parse(ethernet() / ipv4({.header_words = 4}) / udp());
    EXPECT_EQ(reason, FW_REASON_MALFORMED_IPV4);
    EXPECT_EQ(packet.protocol, 0) << "not set yet";
    EXPECT_EQ(packet.ttl, 0) << "not set yet";
}

TEST(OracleIpv4, TheTotalLengthEndsThePacket) {
    EXPECT_EQ(reason_of(ethernet() / ipv4() / udp() / padding(18)), kNoReason);
    EXPECT_EQ(reason_of(ethernet() / ipv4({.total_length = 27}) / udp()), FW_REASON_TRUNCATED_L4);
    EXPECT_EQ(reason_of(ethernet() / ipv4({.total_length = 20}) / udp()), FW_REASON_TRUNCATED_L4);
    EXPECT_EQ(reason_of(ethernet() / ipv4({.protocol = 99, .total_length = 20})), kNoReason);
}

TEST(OracleIpv4, BigTcp) {
    auto big = parse(ethernet() / ipv4({.total_length = 0}) / tcp() / payload(65536 - 40));
    EXPECT_EQ(big.reason, kNoReason);
    EXPECT_EQ(big.packet.selector, 80);
    EXPECT_EQ(big.packet.length, 14u + 65536);
    EXPECT_EQ(reason_of(ethernet() / ipv4({.total_length = 0}) / tcp() / payload(65535 - 40)),
              FW_REASON_MALFORMED_IPV4);
}

TEST(OracleIpv4, TheEndWithinTheHeader) {
    auto [packet, reason] = parse(ethernet() / ipv4({.total_length = 19}) / udp());
    EXPECT_EQ(reason, FW_REASON_MALFORMED_IPV4);
    EXPECT_EQ(packet.protocol, kUdp) << "found before";
    EXPECT_EQ(packet.source.bytes[0], 192) << "found before";
    EXPECT_EQ(packet.l4_offset, 0) << "not set yet";
    EXPECT_EQ(reason_of(ethernet() / ipv4({.options = Bytes(8), .total_length = 27}) / udp()),
              FW_REASON_MALFORMED_IPV4);
}

TEST(OracleIpv4, TheEndBeyondTheFrame) {
    EXPECT_EQ(reason_of(ethernet() / ipv4({.total_length = 29}) / udp()), FW_REASON_TRUNCATED_IPV4);
    EXPECT_EQ(reason_of(cut(ethernet() / ipv4() / udp(), 14 + 27)), FW_REASON_TRUNCATED_IPV4);
    // The header longer than what is left, once with an end beyond the frame, once with one within the
    // header.
    EXPECT_EQ(reason_of(ethernet() / ipv4({.header_words = 15, .total_length = 60})),
              FW_REASON_TRUNCATED_IPV4);
    EXPECT_EQ(reason_of(ethernet() / ipv4({.header_words = 15, .total_length = 59})),
              FW_REASON_MALFORMED_IPV4);
}

TEST(OracleIpv4, OptionsAreSteppedOver) {
    auto [packet, reason] = parse(ethernet() / ipv4({.options = Bytes(40, 1)}) / udp({.destination = 9}));
    EXPECT_EQ(reason, kNoReason);
    EXPECT_EQ(packet.l4_offset, 14 + 60);
    EXPECT_EQ(packet.selector, 9);
}

TEST(OracleIpv4, Fragments) {
    auto first = parse(ethernet() / ipv4({.more_fragments = true}) / udp());
    EXPECT_EQ(first.packet.fragment, FW_FRAGMENT_FIRST);
    EXPECT_EQ(first.packet.flags, FW_PACKET_L4);
    EXPECT_EQ(parse(ethernet() / ipv4({.dont_fragment = true}) / udp()).packet.fragment, FW_FRAGMENT_NONE);

    for (bool more : {false, true}) {
        auto later =
            parse(ethernet() / ipv4({.protocol = kUdp, .more_fragments = more, .fragment_offset = 8191}));
        EXPECT_EQ(later.reason, kNoReason);
        EXPECT_EQ(later.packet.fragment, FW_FRAGMENT_LATER);
        EXPECT_EQ(later.packet.flags, 0);
        EXPECT_EQ(later.packet.selector, 0);
        EXPECT_EQ(later.packet.l4_offset, 34);
    }
}

TEST(OracleIpv4, TinyFragments) {
    auto tiny = parse(ethernet() / ipv4({.protocol = kTcp, .fragment_offset = 1}) / payload(40));
    EXPECT_EQ(tiny.reason, FW_REASON_TINY_FRAGMENT);
    EXPECT_EQ(tiny.packet.fragment, FW_FRAGMENT_LATER);
    EXPECT_EQ(reason_of(ethernet() / ipv4({.protocol = kTcp, .fragment_offset = 2}) / payload(40)),
              kNoReason);
    EXPECT_EQ(reason_of(ethernet() / ipv4({.protocol = kUdp, .fragment_offset = 1}) / payload(40)),
              kNoReason);
}

// IPv6.

TEST(OracleIpv6, FixedHeader) {
    auto [packet, reason] = parse(cut(ethernet() / ipv6() / udp(), 14 + 39));
    EXPECT_EQ(reason, FW_REASON_TRUNCATED_IPV6);
    EXPECT_EQ(packet.family, FW_FAMILY_IPV6);
    EXPECT_EQ(reason_of(ethernet(kIpv6) / ipv6({.version = 4}) / udp()), FW_REASON_MALFORMED_IPV6);
}

TEST(OracleIpv6, ThePayloadLengthEndsThePacket) {
    EXPECT_EQ(reason_of(ethernet() / ipv6() / udp() / padding(18)), kNoReason);
    EXPECT_EQ(reason_of(ethernet() / ipv6({.payload_length = 7}) / udp()), FW_REASON_TRUNCATED_L4);
    EXPECT_EQ(reason_of(ethernet() / ipv6({.payload_length = 0}) / udp()), FW_REASON_TRUNCATED_L4);
    EXPECT_EQ(reason_of(ethernet() / ipv6({.next_header = kNoNext})), kNoReason);

    auto beyond = parse(ethernet() / ipv6({.hop_limit = 9, .payload_length = 9}) / udp());
    EXPECT_EQ(beyond.reason, FW_REASON_TRUNCATED_IPV6);
    EXPECT_EQ(beyond.packet.ttl, 9) << "found before";
    EXPECT_EQ(beyond.packet.source.bytes[0], 0x20) << "found before";
    EXPECT_EQ(beyond.packet.protocol, 0) << "the walk has not begun";
}

TEST(OracleIpv6, Jumbograms) {
    EXPECT_EQ(reason_of(ethernet() / ipv6({.payload_length = 0}) / tcp() / payload(65536 - 20)), kNoReason);
    EXPECT_EQ(reason_of(ethernet() / ipv6({.payload_length = 0}) / tcp() / payload(65535 - 20)),
              FW_REASON_TRUNCATED_L4);
    EXPECT_EQ(
        reason_of(ethernet() / ipv6({.payload_length = 0}) / hop_by_hop() / tcp() / payload(65536 - 28)),
        kNoReason);
}

TEST(OracleIpv6, EachExtensionHeaderIsWalked) {
    auto [packet, reason] =
        parse(ethernet() / ipv6() / hop_by_hop() / destination_options({.size = 16}) / routing({.size = 24}) /
              fragment() / ah({.size = 20}) / destination_options() / tcp());
    EXPECT_EQ(reason, kNoReason);
    EXPECT_EQ(packet.extension_count, 6);
    EXPECT_EQ(packet.protocol, kTcp);
    EXPECT_EQ(packet.l4_offset, 14 + 40 + 8 + 16 + 24 + 8 + 20 + 8);
    EXPECT_EQ(packet.fragment, FW_FRAGMENT_ATOMIC);
    EXPECT_EQ(packet.selector, 80);
}

TEST(OracleIpv6, TenHeadersAndNoMore) {
    auto ten = parse(ethernet() / ipv6() / many(destination_options(), 10) / udp());
    EXPECT_EQ(ten.reason, kNoReason);
    EXPECT_EQ(ten.packet.extension_count, 10);
    auto eleven = parse(ethernet() / ipv6() / many(destination_options(), 10) / routing() / udp());
    EXPECT_EQ(eleven.reason, FW_REASON_HEADER_CHAIN);
    EXPECT_EQ(eleven.packet.extension_count, 10);
    EXPECT_EQ(eleven.packet.protocol, kRouting) << "the header that stopped the walk";
    EXPECT_EQ(reason_of(ethernet() / ipv6() / many(destination_options(), 10) / hop_by_hop() / udp()),
              FW_REASON_HEADER_CHAIN);
    EXPECT_EQ(reason_of(ethernet() / ipv6() / many(destination_options(), 9) / routing({.next_header = kAh})),
              FW_REASON_HEADER_CHAIN)
        << "before truncated-extension";
}

TEST(OracleIpv6, HopByHopOnlyFirst) {
    EXPECT_EQ(reason_of(ethernet() / ipv6() / hop_by_hop() / udp()), kNoReason);
    auto [packet, reason] = parse(ethernet() / ipv6() / hop_by_hop() / hop_by_hop() / udp());
    EXPECT_EQ(reason, FW_REASON_MALFORMED_IPV6);
    EXPECT_EQ(packet.protocol, kHopByHop);
    EXPECT_EQ(packet.extension_count, 1);
    EXPECT_EQ(reason_of(ethernet() / ipv6() / routing({.next_header = kHopByHop})), FW_REASON_MALFORMED_IPV6)
        << "before truncated-extension";
}

TEST(OracleIpv6, TruncatedExtensions) {
    for (std::uint8_t header : {kHopByHop, kRouting, kDestinationOptions, kFragment, kAh}) {
        auto [packet, reason] =
            parse(ethernet() / ipv6({.next_header = header}) / raw(Bytes(7)) / padding(100));
        EXPECT_EQ(reason, FW_REASON_TRUNCATED_EXTENSION) << +header;
        EXPECT_EQ(packet.protocol, header);
        EXPECT_EQ(packet.extension_count, 0);
        EXPECT_EQ(packet.fragment, FW_FRAGMENT_NONE);
    }
    EXPECT_EQ(reason_of(ethernet() / ipv6() / routing({.size = 16, .length = 2}) / padding(100)),
              FW_REASON_TRUNCATED_EXTENSION);
    EXPECT_EQ(reason_of(ethernet() / ipv6() / ah({.size = 24, .length = 5}) / padding(100)),
              FW_REASON_TRUNCATED_EXTENSION);
    EXPECT_EQ(reason_of(ethernet() / ipv6() / ah({.size = 24, .length = 4}) / padding(100)), kNoReason);
    EXPECT_EQ(reason_of(ethernet() / ipv6() / destination_options({.size = 2048}) / udp()), kNoReason);
}

TEST(OracleIpv6, ExtensionSizes) {
    EXPECT_EQ(parse(ethernet() / ipv6() / ah({.size = 8}) / udp()).packet.l4_offset, 14 + 40 + 8);
    EXPECT_EQ(parse(ethernet() / ipv6() / ah({.size = 1028}) / udp()).packet.l4_offset, 14 + 40 + 1028);
    // The second byte of a fragment header is reserved: it is not a length.
    const Bytes reserved{kUdp, 0xff, 0, 0, 0, 0, 0, 1};
    EXPECT_EQ(parse(ethernet() / ipv6({.next_header = kFragment}) / raw(reserved) / udp()).packet.l4_offset,
              14 + 40 + 8);
}

TEST(OracleIpv6, FragmentValues) {
    auto value = [](const Packet& headers) {
        return parse(ethernet() / ipv6() / headers / udp()).packet.fragment;
    };
    const Packet atomic = fragment();
    const Packet first = fragment({.more = true});
    const Packet later = fragment({.offset = 7});
    EXPECT_EQ(value(atomic), FW_FRAGMENT_ATOMIC);
    EXPECT_EQ(value(first), FW_FRAGMENT_FIRST);
    EXPECT_EQ(value(later), FW_FRAGMENT_LATER);
    EXPECT_EQ(value(atomic / atomic), FW_FRAGMENT_ATOMIC);
    EXPECT_EQ(value(atomic / first), FW_FRAGMENT_FIRST);
    EXPECT_EQ(value(atomic / later), FW_FRAGMENT_LATER);
    EXPECT_EQ(value(first / atomic), FW_FRAGMENT_FIRST);
    EXPECT_EQ(value(first / first), FW_FRAGMENT_FIRST);
    EXPECT_EQ(value(first / later), FW_FRAGMENT_LATER);
}

TEST(OracleIpv6, ALaterFragmentEndsTheWalk) {
    auto [packet, reason] = parse(ethernet() / ipv6() / routing() / fragment({.offset = 100, .more = true}) /
                                  destination_options() / udp());
    EXPECT_EQ(reason, kNoReason);
    EXPECT_EQ(packet.protocol, kDestinationOptions) << "whatever its number";
    EXPECT_EQ(packet.extension_count, 2);
    EXPECT_EQ(packet.l4_offset, 14 + 40 + 16) << "its payload";
    EXPECT_EQ(packet.flags, 0);
    EXPECT_EQ(
        reason_of(ethernet() / ipv6() / many(routing(), 9) / fragment({.next_header = kAh, .offset = 100})),
        kNoReason);
}

TEST(OracleIpv6, TinyFragments) {
    auto tiny = parse(ethernet() / ipv6() / fragment({.next_header = kTcp, .offset = 1}) / payload(40));
    EXPECT_EQ(tiny.reason, FW_REASON_TINY_FRAGMENT);
    EXPECT_EQ(tiny.packet.protocol, kTcp);
    EXPECT_EQ(reason_of(ethernet() / ipv6() / fragment({.next_header = kTcp, .offset = 2}) / payload(40)),
              kNoReason);
    EXPECT_EQ(reason_of(ethernet() / ipv6() / fragment({.next_header = kUdp, .offset = 1}) / payload(40)),
              kNoReason);
}

TEST(OracleIpv6, OtherHeadersEndTheWalkByNumber) {
    for (std::uint8_t protocol : {kEsp, kNoNext, kMobility, kHip, kShim6}) {
        auto [packet, reason] = parse(ethernet() / ipv6({.next_header = protocol}) / payload(3));
        EXPECT_EQ(reason, kNoReason);
        EXPECT_EQ(packet.protocol, protocol);
        EXPECT_EQ(packet.extension_count, 0);
        EXPECT_EQ(packet.l4_offset, 54);
    }
    EXPECT_EQ(parse(ethernet() / ipv4() / ah() / udp()).packet.protocol, kAh);
    EXPECT_EQ(parse(ethernet() / ipv4() / ah() / udp()).packet.l4_offset, 34);
}

// Layer 4.

TEST(OracleLayer4, HeadersMustBeWhole) {
    struct Case {
        Packet header;
        std::size_t size;
    };
    for (const Case& c : {Case{tcp(), 20}, Case{udp(), 8}, Case{sctp(), 12}, Case{icmp(), 8}}) {
        const Bytes header = c.header;
        ASSERT_EQ(header.size(), c.size);
        auto whole = parse(ethernet() / ipv4() / c.header);
        EXPECT_EQ(whole.reason, kNoReason);
        EXPECT_EQ(whole.packet.flags, FW_PACKET_L4);
        // The packet ends a byte early, the frame does not; a first fragment is no exception.
        for (bool more : {false, true}) {
            auto total_length = static_cast<std::uint16_t>(20 + c.size - 1);
            auto [packet, reason] =
                parse(ethernet() / ipv4({.more_fragments = more, .total_length = total_length}) / c.header);
            EXPECT_EQ(reason, FW_REASON_TRUNCATED_L4);
            EXPECT_EQ(packet.flags, 0);
            EXPECT_EQ(packet.source_port, 0);
            EXPECT_EQ(packet.selector, 0);
            EXPECT_EQ(packet.l4_offset, 34);
        }
    }
    EXPECT_EQ(reason_of(ethernet() / ipv6({.payload_length = 7}) / icmpv6()), FW_REASON_TRUNCATED_L4);
    EXPECT_EQ(reason_of(ethernet() / ipv6({.payload_length = 15}) / fragment({.more = true}) / udp()),
              FW_REASON_TRUNCATED_L4);
}

TEST(OracleLayer4, TcpDataOffset) {
    auto four_words = parse(ethernet() / ipv4() / tcp({.header_words = 4}) / payload(40));
    EXPECT_EQ(four_words.reason, FW_REASON_MALFORMED_TCP);
    EXPECT_EQ(four_words.packet.flags, 0);
    EXPECT_EQ(four_words.packet.selector, 0);
    EXPECT_EQ(four_words.packet.tcp_flags, 0);
    EXPECT_EQ(reason_of(ethernet() / ipv4() / tcp({.header_words = 15}) / payload(39) / padding(20)),
              FW_REASON_MALFORMED_TCP);
    EXPECT_EQ(reason_of(ethernet() / ipv4() / tcp({.header_words = 15}) / payload(40)), kNoReason);
    EXPECT_EQ(parse(ethernet() / ipv4() / tcp({.flags = 0xff, .options = Bytes(40)})).packet.tcp_flags, 0xff);
}

TEST(OracleLayer4, PortsAndIcmpSelectors) {
    auto datagram = parse(ethernet() / ipv6() / udp({.source = 0xfedc, .destination = 0xba98})).packet;
    EXPECT_EQ(datagram.source_port, 0xfedc);
    EXPECT_EQ(datagram.selector, 0xba98);
    auto stream = parse(ethernet() / ipv4() / sctp({.source = 1, .destination = 2})).packet;
    EXPECT_EQ(stream.source_port, 1);
    EXPECT_EQ(stream.selector, 2);
    EXPECT_EQ(parse(ethernet() / ipv4() / icmp({.type = 3, .code = 4})).packet.selector, 0x0304);
    EXPECT_EQ(parse(ethernet() / ipv6() / icmpv6({.type = 135})).packet.selector, 0x8700);
}

TEST(OracleLayer4, IcmpOfTheOtherFamilyIsAnyProtocol) {
    for (const Bytes& frame :
         {(ethernet() / ipv6() / icmp()).bytes(), (ethernet() / ipv4() / icmpv6()).bytes(),
          (ethernet() / ipv4({.protocol = kIcmpv6})).bytes()}) {
        EXPECT_EQ(reason_of(frame), kNoReason);
        EXPECT_EQ(parse(frame).packet.flags, 0);
        EXPECT_EQ(parse(frame).packet.selector, 0);
    }
}

TEST(OracleLayer4, TunnelsAreJudgedByTheirOuterHeader) {
    const Packet inner = ipv4({.source = "10.0.0.1"}) / tcp();
    EXPECT_EQ(parse(ethernet() / ipv4() / gre() / inner).packet.protocol, kGre);
    EXPECT_EQ(parse(ethernet() / ipv6() / inner).packet.protocol, kIpv4InIp);
    EXPECT_EQ(parse(ethernet() / ipv4() / ipv6() / udp()).packet.protocol, kIpv6InIp);
    auto vx =
        parse(ethernet() / ipv4() / udp({.destination = kVxlanPort}) / vxlan() / ethernet() / inner).packet;
    EXPECT_EQ(vx.protocol, kUdp);
    EXPECT_EQ(vx.selector, kVxlanPort);
    EXPECT_EQ(vx.source.bytes[0], 192);
}

TEST(OracleLayer4, ChecksumsAndTheLengthOfUdpAreNotCompared) {
    Bytes frame = ethernet() / ipv4() / udp({.length = 7}) / payload(4);
    frame.at(14 + 10) ^= 0xff;
    frame.at(14 + 20 + 6) ^= 0xff;
    EXPECT_EQ(reason_of(frame), kNoReason);
}

}  // namespace fwctl::testing
