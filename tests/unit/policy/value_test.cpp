#include "policy/value.h"

#include <gtest/gtest.h>

#include <array>

#include "policy/prefix.h"

namespace fwctl::policy {
namespace {

TEST(Value, ChoicesAreListed) {
    constexpr std::array kChoices = {Choice<int>{"one", 1}, Choice<int>{"two", 2}, Choice<int>{"three", 3}};
    int value = 7;
    const Status refused = choose<int>(value, kChoices, "four", "a number");
    EXPECT_EQ(refused.error().message, "\"four\" is not a number; write one, two or three");
    EXPECT_EQ(refused.error().exit, Exit::kUsage);
    EXPECT_EQ(value, 7);
    EXPECT_TRUE(choose<int>(value, kChoices, "two", "a number").has_value());
    EXPECT_EQ(value, 2);
    EXPECT_EQ(word_of<int>(kChoices, 3), "three");
}

TEST(Value, CountsBeginAtOne) {
    std::uint32_t value = 7;
    for (const char* word : {"0", "-1", "101", "", "1.5"}) {
        EXPECT_EQ(read_count(value, 100, word, "sample").error().message,
                  "\"sample\" is a number from 1 to 100, not " + std::string(word));
        EXPECT_EQ(value, 7U);
    }
    EXPECT_TRUE(read_count(value, 100, "100", "sample").has_value());
    EXPECT_EQ(value, 100U);
}

TEST(Value, TextIsOneLineThatNoTerminalObeys) {
    std::string text = "before";
    for (const std::string word : {"a\nb", "\x1b[31m", "\x7f", "\xc2\x9b"}) {
        EXPECT_EQ(read_text(text, word, "comment").error().message,
                  "\"comment\" is one line of text, without control characters");
        EXPECT_EQ(text, "before");
    }
    EXPECT_TRUE(read_text(text, "M\xc3\xbc\xc3\x9f \"quoted\" \\ \xc2\xa0", "comment").has_value());
    EXPECT_EQ(text, "M\xc3\xbc\xc3\x9f \"quoted\" \\ \xc2\xa0");
}

TEST(Value, AnInterfaceIsOne) {
    std::string name;
    EXPECT_EQ(read_interface(name, "veth*").error().message, "\"veth*\" is a pattern; name one interface");
    EXPECT_EQ(read_interface(name, "a/b").error().message,
              "\"a/b\" is not an interface's name or pattern (eth0, veth*), of at most 15 letters");
    EXPECT_TRUE(read_interface(name, "eth0").has_value());
    EXPECT_EQ(name, "eth0");
}

TEST(Value, AnAddressIsOne) {
    EXPECT_EQ(format_prefix(parse_address("192.0.2.1").value()), "192.0.2.1");
    EXPECT_EQ(parse_address("192.0.2.0/24").error().message, "192.0.2.0/24 is a block; name one address");
    EXPECT_EQ(parse_address("host").error().message,
              "\"host\" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)");
}

}  // namespace
}  // namespace fwctl::policy
