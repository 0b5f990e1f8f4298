#include "policy/address_bits.h"

#include <gtest/gtest.h>

#include <string>

namespace fwctl::policy {
namespace {

TEST(AddressBits, AreReadForOneFamilyOrBoth) {
    EXPECT_EQ(parse_address_bits("source").value(), (AddressBits{32, 128}));
    EXPECT_EQ(parse_address_bits("source/24").value(), (AddressBits{24, 64}));
    EXPECT_EQ(parse_address_bits("source/64").value(), (AddressBits{32, 64}));
    EXPECT_EQ(parse_address_bits("source/24,56").value(), (AddressBits{24, 56}));
}

TEST(AddressBits, AreReadBack) {
    for (int ipv4 = 1; ipv4 <= 32; ++ipv4) {
        for (int ipv6 = 1; ipv6 <= 128; ++ipv6) {
            const AddressBits bits{static_cast<std::uint8_t>(ipv4), static_cast<std::uint8_t>(ipv6)};
            EXPECT_EQ(parse_address_bits("source" + format_address_bits(bits)).value(), bits);
        }
    }
    EXPECT_EQ(format_address_bits({32, 128}), "");
    EXPECT_EQ(format_address_bits({24, 64}), "/24");
    EXPECT_EQ(format_address_bits({32, 64}), "/64");
    EXPECT_EQ(format_address_bits({32, 20}), "/32,20");
}

TEST(AddressBits, SayWhatIsAccepted) {
    for (const std::string lengths : {"", "0", "129", "24/56", "33,64", "24,", "24,0", "24,129", "a"}) {
        const auto bits = parse_address_bits("source/" + lengths);
        ASSERT_FALSE(bits.has_value()) << lengths;
        EXPECT_EQ(bits.error().exit, Exit::kUsage);
        EXPECT_EQ(bits.error().message, "\"source/" + lengths +
                                            "\" has no length of addresses: write source/24 for IPv4, "
                                            "source/64 for IPv6, source/24,64 for both");
    }
}

}  // namespace
}  // namespace fwctl::policy
