#include "base/text.h"

#include <array>
#include <random>

#include <gtest/gtest.h>

namespace fwctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<std::string_view, 6> kWords = {"from", "to", "on", "service", "direction", "action"};

TEST(LowerCase, ChangesAsciiLettersAlone) {
    EXPECT_EQ(lower_case("TcP/22 Ä@[`{Z"), "tcp/22 Ä@[`{z");
}

TEST(ControlSize, KnowsControlsOfAsciiAndUtf8) {
    for (const char* text : {"", " ", "a\n", "\xc2\xa0", "\xc2", "\xc3\x80", "\xe2\x80\xa8"}) {
        EXPECT_EQ(control_size(text), 0U) << text;
    }
    EXPECT_EQ(control_size(std::string_view("\0a", 2)), 1U);
    EXPECT_EQ(control_size("\na"), 1U);
    EXPECT_EQ(control_size("\x7f"), 1U);
    EXPECT_EQ(control_size("\xc2\x80"), 2U);
    EXPECT_EQ(control_size("\xc2\x9fz"), 2U);
}

TEST(ParseNumber, ReadsDigitsUpToTheLimit) {
    EXPECT_EQ(parse_number("0", 255), 0U);
    EXPECT_EQ(parse_number("255", 255), 255U);
    for (const char* text : {"256", "", "-1", "+1", " 1", "1 ", "0x10", "1.0", "99999999999999999999"}) {
        EXPECT_EQ(parse_number(text, 255), std::nullopt) << text;
    }
}

TEST(SplitRange, WantsDigitsOnBothSides) {
    EXPECT_EQ(split_range("10-20"), std::pair(std::string_view("10"), std::string_view("20")));
    EXPECT_EQ(split_range("99999-0"), std::pair(std::string_view("99999"), std::string_view("0")));
    for (const char* text : {"", "-", "10", "10-", "-20", "10-20-30", "a-b", "10 - 20"}) {
        EXPECT_EQ(split_range(text), std::nullopt) << text;
    }
}

TEST(Nearest, KnowsEachKindOfSlip) {
    EXPECT_EQ(nearest("form", kWords), "from");        // exchanged
    EXPECT_EQ(nearest("fro", kWords), "from");         // left out
    EXPECT_EQ(nearest("fromm", kWords), "from");       // added
    EXPECT_EQ(nearest("frum", kWords), "from");        // replaced
    EXPECT_EQ(nearest("FROM", kWords), "from");        // case
    EXPECT_EQ(nearest("srevcie", kWords), "service");  // two slips in a long word
    EXPECT_EQ(nearest("driection", kWords), "direction");
}

TEST(Nearest, KeepsSilentWhenNothingIsNear) {
    for (const char* word : {"", "x", "source", "fr", "destination", "oops"}) {
        EXPECT_EQ(nearest(word, kWords), std::nullopt) << word;
    }
    EXPECT_EQ(nearest("from", {}), std::nullopt);
}

TEST(Nearest, PrefersTheNearerThenTheFirst) {
    constexpr std::array<std::string_view, 3> kNear = {"abcdxx", "abcdex", "abcdey"};
    EXPECT_EQ(nearest("abcdef", kNear), "abcdex");
}

TEST(Duration, IsReadInEveryUnit) {
    EXPECT_EQ(parse_duration("90s").value(), seconds(90));
    EXPECT_EQ(parse_duration("10m").value(), seconds(600));
    EXPECT_EQ(parse_duration("1h").value(), seconds(3600));
    EXPECT_EQ(parse_duration("2d").value(), seconds(172800));
    EXPECT_EQ(parse_duration("1h30m").value(), seconds(5400));
    EXPECT_EQ(parse_duration("1d2h3m4s").value(), seconds(93784));
    EXPECT_EQ(parse_duration("36500d").value(), seconds(3153600000));
}

TEST(Duration, MayBeShorterThanASecondWhereThatMakesSense) {
    EXPECT_EQ(parse_short_duration("500ms").value(), milliseconds(500));
    EXPECT_EQ(parse_short_duration("2s").value(), seconds(2));
    EXPECT_EQ(parse_short_duration("1m1s1ms").value(), milliseconds(61'001));
    EXPECT_EQ(parse_short_duration("36500d").value(), seconds(3153600000));
    EXPECT_EQ(parse_short_duration("5000000000ms").value(), seconds(5'000'000));
    for (const std::string text : {"", "500", "ms", "1ms1s", "1sm", "0ms", "1.5s", "500 ms", "500MS"}) {
        const auto duration = parse_short_duration(text);
        ASSERT_FALSE(duration.has_value()) << text;
        EXPECT_EQ(duration.error().message, "\"" + text + "\" is not a duration; write 500ms, 2s or 1m30s");
    }
    EXPECT_EQ(parse_short_duration("3153600000001ms").error().message,
              "\"3153600000001ms\" is too long; the longest duration is 36500d");
}

TEST(Duration, SaysWhatItAccepts) {
    for (const std::string text :
         {"", "90", "s", "1x", "1h30", "30m1h", "1h1h", "1ms", "-1s", "1 h", "1.5h", "0s", "0d0s", "1H"}) {
        const auto duration = parse_duration(text);
        ASSERT_FALSE(duration.has_value()) << text;
        EXPECT_EQ(duration.error().message,
                  "\"" + text + "\" is not a duration; write 90s, 10m, 1h, 2d or 1h30m");
        EXPECT_EQ(duration.error().exit, Exit::kUsage);
    }
}

TEST(Duration, HasALongest) {
    for (const std::string text : {"36501d", "36500d1s", "3153600001s", "99999999999999999999d"}) {
        const auto duration = parse_duration(text);
        ASSERT_FALSE(duration.has_value()) << text;
        EXPECT_EQ(duration.error().message, "\"" + text + "\" is too long; the longest duration is 36500d");
    }
}

TEST(Duration, IsWrittenWithTheLargestUnits) {
    EXPECT_EQ(format_duration(seconds(90)), "1m30s");
    EXPECT_EQ(format_duration(seconds(3600)), "1h");
    EXPECT_EQ(format_duration(seconds(172801)), "2d1s");
    EXPECT_EQ(format_duration(milliseconds(61'500)), "1m1s500ms");
    EXPECT_EQ(format_duration(milliseconds(1)), "1ms");
    EXPECT_EQ(format_duration(seconds(0)), "0s");
    EXPECT_EQ(format_duration(seconds(-5)), "0s");
}

TEST(Duration, SurvivesWritingAndReading) {
    std::mt19937 random(1);
    std::uniform_int_distribution<std::int64_t> any(1, 3153600000);
    for (int i = 0; i < 1000; ++i) {
        const seconds duration(any(random) >> (i % 30));
        if (duration.count() > 0) {
            EXPECT_EQ(parse_duration(format_duration(duration)).value(), duration);
            const milliseconds fine(duration.count());
            EXPECT_EQ(parse_short_duration(format_duration(fine)).value(), fine);
        }
    }
}

}  // namespace
}  // namespace fwctl
