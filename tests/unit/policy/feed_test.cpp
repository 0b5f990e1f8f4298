#include "policy/feed.h"

#include <gtest/gtest.h>

#include <string>

#include "policy/addresses.h"

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

struct Read {
    Words words;
    std::string diagnostics;
    std::size_t errors = 0;
};

Read read(std::string text) {
    Diagnostics diagnostics({Source{"list.txt", std::move(text)}});
    const auto prefixes = read_feed(diagnostics, 0);
    return {prefix_words(prefixes), diagnostics.render(), diagnostics.errors()};
}

TEST(Feed, IsReadAsItIsPublished) {
    const Read list = read(
        "\xef\xbb\xbf; Spamhaus DROP List 2024/01/01 - (c) 2024 The Spamhaus Project SLU\n"
        "; Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
        "\n"
        "1.10.16.0/20 ; SBL256894\n"
        "1.19.0.0/16;SBL434604\r\n"
        "# a remark\n"
        "  2001:db8::/32 # documentation\n"
        "192.0.2.7\tlast seen 2024-01-01\n"
        "192.0.2.1-192.0.2.2\n"
        "198.51.100.1 - 198.51.100.2\n"
        "198.51.100.5 -198.51.100.6 ; two more\n"
        "203.0.113.9 - reported by somebody\n"
        "203.0.113.9\n"
        "1.10.17.1");
    EXPECT_EQ(list.words,
              (Words{"1.19.0.0/16", "1.10.16.0/20", "192.0.2.1", "192.0.2.2", "192.0.2.7", "198.51.100.1",
                     "198.51.100.2", "198.51.100.5", "198.51.100.6", "203.0.113.9", "2001:db8::/32"}));
    EXPECT_EQ(list.diagnostics, "");
}

TEST(Feed, MaySayHowLongEachEntryStays) {
    const std::string text =
        "192.0.2.0/24       1h30m\n192.0.2.1-192.0.2.2 5s ; both\n2001:db8::1\n192.0.2.9 # for ever\n";
    Diagnostics diagnostics({Source{"list.txt", text}});
    std::vector<std::pair<std::string, int>> read;
    for (const TimedPrefix& entry : read_timed_feed_lines(diagnostics, 0))
        read.emplace_back(prefix_words({entry.prefix}).front(), entry.lasts.count());
    EXPECT_EQ(read, (std::vector<std::pair<std::string, int>>{{"192.0.2.0/24", 5400},
                                                              {"192.0.2.1", 5},
                                                              {"192.0.2.2", 5},
                                                              {"2001:db8::1", 0},
                                                              {"192.0.2.9", 0}}));
    EXPECT_EQ(diagnostics.render(), "");

    Diagnostics wrong({Source{"list.txt", "192.0.2.1 5s\n192.0.2.2 soon\nfoo 5s\n"}});
    EXPECT_EQ(read_timed_feed_lines(wrong, 0).size(), 1U);
    EXPECT_EQ(wrong.errors(), 2U);
    EXPECT_NE(wrong.render().find("list.txt:2:11: error: \"soon\" is not a duration"), std::string::npos)
        << wrong.render();
}

TEST(Feed, MayBeEmpty) {
    for (const char* text : {"", "\n", "; nothing\n", " \t\r\n", "#"}) {
        EXPECT_TRUE(read(text).words.empty());
        EXPECT_EQ(read(text).diagnostics, "");
    }
}

TEST(Feed, CutsWhatStandsBehindALength) {
    const Read list = read("10.0.0.0/8\n192.0.2.1/24\n198.51.100.9/24\n2001:db8::1/32\n");
    EXPECT_EQ(list.words, (Words{"10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"}));
    EXPECT_EQ(list.errors, 0U);
    EXPECT_EQ(
        list.diagnostics,
        "list.txt:2:1: warning: 3 entries have bits set behind their length; they are read as the blocks "
        "that they lie in, beginning with this one\n"
        "   2 | 192.0.2.1/24\n"
        "     | ^~~~~~~~~~~~\n");
    EXPECT_EQ(
        read("192.0.2.1/24").diagnostics,
        "list.txt:1:1: warning: 1 entry has bits set behind its length; they are read as the blocks that "
        "they lie in, beginning with this one\n"
        "   1 | 192.0.2.1/24\n"
        "     | ^~~~~~~~~~~~\n");
}

TEST(Feed, ShowsLinesThatAreNoEntry) {
    EXPECT_EQ(
        read("10.0.0.1\n  10.0.0.300 ; x\n010.0.0.1\n10.0.0.0/33\n10.0.0.9-10.0.0.1\nevil.example\n")
            .diagnostics,
        R"(list.txt:2:3: error: "10.0.0.300" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)
   2 |   10.0.0.300 ; x
     |   ^~~~~~~~~~
list.txt:3:1: error: "010.0.0.1" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)
   3 | 010.0.0.1
     | ^~~~~~~~~
list.txt:4:1: error: "10.0.0.0/33": the length of an IPv4 prefix is a number from 0 to 32
   4 | 10.0.0.0/33
     | ^~~~~~~~~~~
list.txt:5:1: error: the range "10.0.0.9-10.0.0.1" runs backwards; did you mean "10.0.0.1-10.0.0.9"?
   5 | 10.0.0.9-10.0.0.1
     | ^~~~~~~~~~~~~~~~~
list.txt:6:1: error: "evil.example" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)
   6 | evil.example
     | ^~~~~~~~~~~~
)");
}

TEST(Feed, ShowsTwentyOfThem) {
    std::string text;
    for (int i = 0; i < 45; ++i) {
        text += "bad\n10.0.0.1\n";
    }
    const Read list = read(text);
    EXPECT_EQ(list.errors, 21U);
    EXPECT_EQ(list.words, (Words{"10.0.0.1"}));
    const std::string last = "list.txt:89:1: error: and 25 more lines up to here\n  89 | bad\n     | ^\n";
    ASSERT_GT(list.diagnostics.size(), last.size());
    EXPECT_EQ(list.diagnostics.substr(list.diagnostics.size() - last.size()), last);
}

// Whatever the bytes, they are entries, errors or nothing.
TEST(Feed, SurvivesAnyBytes) {
    unsigned state = 1;
    for (int turn = 0; turn < 2000; ++turn) {
        std::string text;
        for (int i = 0; i < 60; ++i) {
            state = state * 1103515245 + 12345;
            text += "0123456789./:-;# \t\r\nabf@!\0\xff"[state >> 16 & 25];
        }
        const Read list = read(text);
        EXPECT_TRUE(!list.words.empty() || list.errors > 0 || list.diagnostics.empty());
    }
}

}  // namespace
}  // namespace fwctl::policy
