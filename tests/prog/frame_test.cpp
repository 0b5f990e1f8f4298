// Frames of the production code, read by the oracle parser; their checksums by the receiver's rule.
#include "engine/frame.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "frame_of.h"
#include "generate/packets.h"
#include "policy/packet_text.h"

namespace fwctl::testing {
namespace {

using policy::Family;
using policy::PacketView;

// RFC 1071: with its checksum in it, what is summed up gives ones.
bool sums_up(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8U : bytes[i];
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

std::uint32_t words(std::span<const std::uint8_t> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += bytes[i] << 8U | bytes[i + 1];
    return sum;
}

void expect_checksums(const Bytes& frame, const OracleResult& parsed) {
    const fw_packet& packet = parsed.packet;
    const std::span bytes(frame);
    if (packet.family == FW_FAMILY_IPV4) {
        EXPECT_TRUE(sums_up(bytes.subspan(packet.l3_offset, 20)));
    }
    const bool is_icmp = packet.protocol == kIcmp;
    const bool is_summed =
        is_icmp || packet.protocol == kTcp || packet.protocol == kUdp || packet.protocol == kIcmpv6;
    if ((packet.flags & FW_PACKET_L4) == 0 || !is_summed) return;
    const auto body = bytes.subspan(packet.l4_offset);
    const std::uint32_t pseudo = words(packet.source.bytes) + words(packet.destination.bytes) +
                                 packet.protocol + static_cast<std::uint32_t>(body.size());
    EXPECT_TRUE(sums_up(body, is_icmp ? 0 : pseudo));
}

TEST(FrameTest, IsReadAsItsView) {
    generate::Random random(1);
    for (int i = 0; i < 20000; ++i) {
        PacketView view = generate::random_packet(random);
        const fw_link link = view.mac ? FW_LINK_ETHERNET : FW_LINK_IP;
        if (!view.mac && !view.family) continue;  // no frame of that kind is asked for
        const Bytes frame = engine::make_frame(view, link);
        const OracleResult parsed = oracle_parse(frame, link);
        ASSERT_FALSE(parsed.reason) << *parsed.reason;
        const PacketView read = view_of(parsed, frame, link, view);
        ASSERT_EQ(policy::format_packet({read, {}}), policy::format_packet({view, {}}));
        ASSERT_TRUE(read == view) << policy::format_packet({view, {}});
        expect_checksums(frame, parsed);
        if (HasFailure()) FAIL() << policy::format_packet({view, {}});
    }
}

TEST(FrameTest, AnAbsentHardwareAddressIsALocalOne) {
    const auto text = policy::parse_packet("arp");
    ASSERT_TRUE(text);
    const Bytes frame = engine::make_frame(text->packet, FW_LINK_ETHERNET);
    ASSERT_EQ(frame.size(), 14U + 46U);
    EXPECT_EQ(oracle_parse(frame, FW_LINK_ETHERNET).packet.source_mac, engine::kDefaultMac);
}

// For tests/sandbox/test_explain.py, which reads them with scapy: the words, a tab, the frame, a line each.
TEST(FrameTest, WritesASample) {
    const char* path = std::getenv("FWCTL_FRAMES");
    if (path == nullptr) GTEST_SKIP() << "no FWCTL_FRAMES";
    std::ofstream file(path);
    generate::Random random(2);
    for (int i = 0; i < 1000; ++i) {
        const PacketView view = generate::random_packet(random);
        if (!view.mac || !view.has_l4) continue;  // scapy would read headers into what is nothing but zeros
        file << policy::format_packet({view, {}}) << '\t';
        for (const std::uint8_t byte : engine::make_frame(view, FW_LINK_ETHERNET))
            file << fmt::format("{:02x}", byte);
        file << '\n';
    }
    EXPECT_TRUE(file.good());
}

}  // namespace
}  // namespace fwctl::testing
