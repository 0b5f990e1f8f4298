#include "policy/prefix.h"

#include <gtest/gtest.h>

namespace fwctl::policy {
namespace {

Prefix prefix(std::string_view text) {
    return parse_prefix(text).value();
}

std::string error_of(std::string_view text) {
    const auto parsed = parse_prefix(text);
    return parsed ? "no error" : parsed.error().message;
}

TEST(Prefix, KeepsBytesInNetworkOrder) {
    const Prefix v4 = prefix("192.0.2.0/24");
    EXPECT_EQ(v4.family, Family::kIpv4);
    EXPECT_EQ(v4.length, 24);
    EXPECT_EQ(v4.address, (std::array<std::uint8_t, 16>{192, 0, 2}));

    const Prefix v6 = prefix("2001:db8::1");
    EXPECT_EQ(v6.family, Family::kIpv6);
    EXPECT_EQ(v6.length, 128);
    EXPECT_EQ(v6.address,
              (std::array<std::uint8_t, 16>{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

TEST(Prefix, HasOneSpelling) {
    const std::pair<const char*, const char*> cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1/32", "192.0.2.1"},
        {"192.0.2.0/24", "192.0.2.0/24"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"0.0.0.0", "0.0.0.0"},
        {"128.0.0.0/1", "128.0.0.0/1"},
        {"192.0.2.254/31", "192.0.2.254/31"},
        {"2001:DB8:0:0::/32", "2001:db8::/32"},
        {"2001:db8::1/128", "2001:db8::1"},
        {"::/0", "::/0"},
        {"::", "::"},
        {"fe80::/10", "fe80::/10"},
    };
    for (const auto& [written, spelling] : cases) {
        EXPECT_EQ(format_prefix(prefix(written)), spelling);
        EXPECT_EQ(prefix(spelling), prefix(written));
    }
}

TEST(Prefix, RefusesNonsense) {
    for (const std::string text :
         {"10.0.0.300", "", "/8", "10.0.0", "010.0.0.1", "::1::", "host", "1.2.3.4 ", "fe80::1%eth0"}) {
        EXPECT_EQ(error_of(text), "\"" + text +
                                      "\" is not an IPv4 or IPv6 address or prefix "
                                      "(192.0.2.1, 192.0.2.0/24, 2001:db8::/32)");
    }
    EXPECT_FALSE(parse_prefix(std::string_view("10.0.0.1\0x", 10)).has_value());
    EXPECT_EQ(parse_prefix("host").error().exit, Exit::kUsage);
}

TEST(Prefix, RefusesALengthThatTheFamilyDoesNotHave) {
    EXPECT_EQ(error_of("10.0.0.0/33"),
              "\"10.0.0.0/33\": the length of an IPv4 prefix is a number from 0 to 32");
    EXPECT_EQ(error_of("10.0.0.0/"), "\"10.0.0.0/\": the length of an IPv4 prefix is a number from 0 to 32");
    EXPECT_EQ(error_of("10.0.0.0/255.0.0.0"),
              "\"10.0.0.0/255.0.0.0\": the length of an IPv4 prefix is a number from 0 to 32");
    EXPECT_EQ(error_of("2001:db8::/129"),
              "\"2001:db8::/129\": the length of an IPv6 prefix is a number from 0 to 128");
}

TEST(Prefix, RefusesHostBits) {
    EXPECT_EQ(error_of("192.0.2.1/24"),
              "192.0.2.1/24 has host bits set; did you mean 192.0.2.0/24 or 192.0.2.1?");
    EXPECT_EQ(error_of("10.0.0.1/0"), "10.0.0.1/0 has host bits set; did you mean 0.0.0.0/0 or 10.0.0.1?");
    EXPECT_EQ(error_of("10.3.0.0/15"),
              "10.3.0.0/15 has host bits set; did you mean 10.2.0.0/15 or 10.3.0.0?");
    EXPECT_EQ(error_of("2001:db8::1/32"),
              "2001:db8::1/32 has host bits set; did you mean 2001:db8::/32 or 2001:db8::1?");
}

TEST(Prefix, RefusesIpv4WrittenAsIpv6) {
    EXPECT_EQ(error_of("::ffff:192.0.2.1"),
              "::ffff:192.0.2.1 is an IPv4 address written as IPv6; write 192.0.2.1");
    EXPECT_EQ(error_of("::ffff:c000:200/120"),
              "::ffff:c000:200/120 is an IPv4 address written as IPv6; write 192.0.2.0/24");
    EXPECT_EQ(error_of("::ffff:0:0/96"), "::ffff:0:0/96 is an IPv4 address written as IPv6; write 0.0.0.0/0");
}

TEST(Prefix, ContainsTheAddressesOfItsBlock) {
    const auto inside = [](const char* block, const char* address) {
        return contains(prefix(block), prefix(address).family, prefix(address).address);
    };
    EXPECT_TRUE(inside("10.0.0.0/8", "10.255.255.255"));
    EXPECT_FALSE(inside("10.0.0.0/8", "11.0.0.0"));
    EXPECT_TRUE(inside("10.2.0.0/15", "10.3.255.255"));
    EXPECT_FALSE(inside("10.2.0.0/15", "10.4.0.0"));
    EXPECT_TRUE(inside("0.0.0.0/0", "255.255.255.255"));
    EXPECT_FALSE(inside("0.0.0.0/0", "::"));
    EXPECT_FALSE(inside("::/0", "0.0.0.0"));
    EXPECT_TRUE(inside("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(inside("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(Prefix, CoversTheBlocksInIt) {
    EXPECT_TRUE(covers(prefix("10.0.0.0/8"), prefix("10.0.0.0/8")));
    EXPECT_TRUE(covers(prefix("10.0.0.0/8"), prefix("10.1.0.0/16")));
    EXPECT_FALSE(covers(prefix("10.1.0.0/16"), prefix("10.0.0.0/8")));
    EXPECT_FALSE(covers(prefix("10.0.0.0/16"), prefix("10.0.0.0/8")));
    EXPECT_FALSE(covers(prefix("10.0.0.0/8"), prefix("11.0.0.0/8")));
    EXPECT_FALSE(covers(prefix("0.0.0.0/0"), prefix("2001:db8::/32")));
}

}  // namespace
}  // namespace fwctl::policy
