#include "observe/packet_filter.h"

#include <gtest/gtest.h>

namespace fwctl::observe {
namespace {

using Bytes = std::vector<std::uint8_t>;

// UDP from port 53 to port 9, from layer 3 on.
const Bytes kPacket = {0x45, 0, 0,  28, 0, 0, 0, 0,  64, 17, 0, 0, 10, 0,
                       0,    1, 10, 0,  0, 2, 0, 53, 0,  9,  0, 8, 0,  0};

Bytes in_frame(const Bytes& packet) {
    Bytes frame = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    frame.insert(frame.end(), packet.begin(), packet.end());
    return frame;
}

PacketFilter compiled(const std::string& text) {
    auto filter = PacketFilter::compile(text);
    if (!filter) ADD_FAILURE() << filter.error().message;
    return std::move(*filter);
}

bool matches(const PacketFilter& filter, fw_link link) {
    const Bytes bytes = link == FW_LINK_ETHERNET ? in_frame(kPacket) : kPacket;
    return filter.matches(link, bytes, static_cast<std::uint32_t>(bytes.size()));
}

TEST(PacketFilterTest, EachLinkLayerIsReadAsWhatItIs) {
    for (const fw_link link : {FW_LINK_ETHERNET, FW_LINK_IP}) {
        EXPECT_TRUE(matches(compiled(""), link));
        EXPECT_TRUE(matches(compiled("udp port 53 and dst host 10.0.0.2"), link));
        EXPECT_FALSE(matches(compiled("tcp or udp src port 9"), link));
        EXPECT_TRUE(compiled("udp").misfit(link).empty());
    }
}

TEST(PacketFilterTest, WhatIsCutOffIsNotThereButItsLengthIs) {
    const Bytes bytes(kPacket.begin(), kPacket.begin() + 20);
    EXPECT_FALSE(compiled("udp port 53").matches(FW_LINK_IP, bytes, 28));
    EXPECT_TRUE(compiled("udp and greater 28").matches(FW_LINK_IP, bytes, 28));
}

TEST(PacketFilterTest, WhatFitsOneLinkLayerMatchesNothingOfTheOther) {
    const PacketFilter filter = compiled("ether host 02:00:00:00:00:01");
    EXPECT_TRUE(matches(filter, FW_LINK_ETHERNET));
    EXPECT_FALSE(matches(filter, FW_LINK_IP));
    EXPECT_TRUE(filter.misfit(FW_LINK_ETHERNET).empty());
    EXPECT_NE(filter.misfit(FW_LINK_IP), "");
}

TEST(PacketFilterTest, MistakesAreUsage) {
    for (const char* text : {"udp prot 9", "host", "port 99999", "inbound", "ifindex 3"}) {
        const auto refused = PacketFilter::compile(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().exit, Exit::kUsage);
        EXPECT_TRUE(refused.error().message.starts_with("the filter \"" + std::string(text) + "\": "));
    }
}

}  // namespace
}  // namespace fwctl::observe
