#include "policy/icmp.h"

#include <gtest/gtest.h>

namespace fwctl::policy {
namespace {

Range icmp(std::string_view text) {
    return parse_icmp(Family::kIpv4, text).value();
}
Range icmp6(std::string_view text) {
    return parse_icmp(Family::kIpv6, text).value();
}

std::string error_of(Family family, std::string_view text) {
    const auto parsed = parse_icmp(family, text);
    return parsed ? "no error" : parsed.error().message;
}

TEST(Icmp, NamesStandForTypesAndCodes) {
    EXPECT_EQ(icmp("echo-request"), (Range{0x0800, 0x08ff}));
    EXPECT_EQ(icmp("fragmentation-needed"), (Range{0x0304, 0x0304}));
    EXPECT_EQ(icmp("destination-unreachable/4"), icmp("fragmentation-needed"));
    EXPECT_EQ(icmp6("echo-request"), (Range{0x8000, 0x80ff}));
    EXPECT_EQ(icmp6("no-route"), (Range{0x0100, 0x0100}));
}

TEST(Icmp, NumbersStandForTypesCodesAndRanges) {
    EXPECT_EQ(icmp("8"), icmp_types(8, 8));
    EXPECT_EQ(icmp("3/4"), icmp_code(3, 4));
    EXPECT_EQ(icmp6("133-137"), (Range{133 * 256, 137 * 256 + 255}));
}

TEST(Icmp, OtherSpellingsMeanTheSame) {
    for (const char* name :
         {"neighbor-solicitation", "neighbour-solicitation", "nd-neighbor-solicit", "135"}) {
        EXPECT_EQ(format_icmp(Family::kIpv6, icmp6(name)), "neighbor-solicitation") << name;
    }
    for (const char* name : {"neighbor-advertisement", "neighbour-advertisement", "nd-neighbor-advert"}) {
        EXPECT_EQ(format_icmp(Family::kIpv6, icmp6(name)), "neighbor-advertisement") << name;
    }
    EXPECT_EQ(format_icmp(Family::kIpv4, icmp("ping")), "echo-request");
}

TEST(Icmp, EveryMessageSurvivesWritingAndReading) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        for (int type = 0; type <= 255; ++type) {
            const auto first = static_cast<std::uint8_t>(type);
            const auto last = static_cast<std::uint8_t>(type | 0x1f);
            EXPECT_EQ(parse_icmp(family, format_icmp(family, icmp_types(first, first))).value(),
                      icmp_types(first, first));
            EXPECT_EQ(parse_icmp(family, format_icmp(family, icmp_types(first, last))).value(),
                      icmp_types(first, last));
            for (int number = 0; number <= 255; ++number) {
                const Range one = icmp_code(first, static_cast<std::uint8_t>(number));
                ASSERT_EQ(parse_icmp(family, format_icmp(family, one)).value(), one);
            }
        }
    }
}

TEST(Icmp, RefusesWhatIsNoMessage) {
    EXPECT_EQ(error_of(Family::kIpv4, "256"), "\"256\" in \"icmp/256\" is not an ICMP type (0 to 255)");
    EXPECT_EQ(error_of(Family::kIpv4, "1-300"), "\"300\" in \"icmp/1-300\" is not an ICMP type (0 to 255)");
    EXPECT_EQ(error_of(Family::kIpv4, "300-1"), "\"300\" in \"icmp/300-1\" is not an ICMP type (0 to 255)");
    EXPECT_EQ(error_of(Family::kIpv6, "3/256"), "\"256\" in \"icmp6/3/256\" is not an ICMP code (0 to 255)");
    EXPECT_EQ(error_of(Family::kIpv4, "3/x"), "\"x\" in \"icmp/3/x\" is not an ICMP code (0 to 255)");
    EXPECT_EQ(error_of(Family::kIpv4, "3/"), "\"\" in \"icmp/3/\" is not an ICMP code (0 to 255)");
    EXPECT_EQ(error_of(Family::kIpv6, "137-133"),
              "the range in \"icmp6/137-133\" runs backwards; did you mean \"icmp6/133-137\"?");
    EXPECT_EQ(error_of(Family::kIpv4, "3-4/1"), "\"icmp/3-4/1\" gives a code to what is not one whole type");
    EXPECT_EQ(error_of(Family::kIpv4, "fragmentation-needed/1"),
              "\"icmp/fragmentation-needed/1\" gives a code to what is not one whole type");
}

TEST(Icmp, SuggestsTheNameThatWasMeant) {
    EXPECT_EQ(error_of(Family::kIpv4, "echo-reqest"),
              "unknown ICMP type \"echo-reqest\" in \"icmp/echo-reqest\"; did you mean \"echo-request\"?");
    EXPECT_EQ(error_of(Family::kIpv4, "xyz"), "unknown ICMP type \"xyz\" in \"icmp/xyz\"");
    EXPECT_EQ(error_of(Family::kIpv4, "packet-too-big"),
              "\"packet-too-big\" is a type of icmp6: write icmp6/packet-too-big");
    EXPECT_EQ(error_of(Family::kIpv6, "source-quench"),
              "\"source-quench\" is a type of icmp: write icmp/source-quench");
}

}  // namespace
}  // namespace fwctl::policy
