#include "policy/rate.h"

#include <gtest/gtest.h>

#include <string>

#include "generate/random.h"

namespace fwctl::policy {
namespace {

// As it is written again, or the error.
std::string read(const std::string& text) {
    const auto rate = parse_rate(text);
    if (!rate) {
        EXPECT_EQ(rate.error().exit, Exit::kUsage) << text;
        return rate.error().message;
    }
    return format_rate(*rate);
}

TEST(Rates, AreReadInAnyOrderAndWrittenInOne) {
    EXPECT_EQ(read("over 5/minute"), "over 5/minute");
    EXPECT_EQ(read("under 10/second packets"), "under 10/second");
    EXPECT_EQ(read("over  5/minute burst 5 per source"), "over 5/minute per source")
        << "5 is the burst without";
    EXPECT_EQ(read("over 5/hour per flow burst 7"), "over 5/hour burst 7 per flow");
    EXPECT_EQ(read("under 1000000/second bytes per destination burst 3000"),
              "under 1000000/second burst 3000 bytes per destination");
    EXPECT_EQ(read("over 1/second per service"), "over 1/second per service");
}

TEST(Rates, HaveABurstOfWhatComesInTheirTime) {
    EXPECT_EQ(parse_rate("over 5/minute")->burst, 5U);
    EXPECT_EQ(parse_rate("over 1000000/second bytes")->burst, 1'000'000U);
    EXPECT_EQ(parse_rate("over 1000/second bytes")->burst, 65'536U) << "else no packet would ever pass";
    EXPECT_EQ(parse_rate("over 1000/second bytes burst 100")->burst, 100U);
}

TEST(Rates, MaskAddressesOfBothFamilies) {
    const auto bits = [](const std::string& per) {
        const auto rate = parse_rate("over 1/second per " + per);
        EXPECT_TRUE(rate) << per;
        return std::pair<int, int>(rate->ipv4_bits, rate->ipv6_bits);
    };
    EXPECT_EQ(bits("source"), std::pair(32, 128));
    EXPECT_EQ(bits("source/24"), std::pair(24, 64));
    EXPECT_EQ(bits("source/64"), std::pair(32, 64));
    EXPECT_EQ(bits("destination/32"), std::pair(32, 64));
    EXPECT_EQ(bits("destination/16,48"), std::pair(16, 48));
    EXPECT_EQ(read("over 1/second per source/32,128"), "over 1/second per source");
    EXPECT_EQ(read("over 1/second per source/32,20"), "over 1/second per source/32,20");
    EXPECT_EQ(read("over 1/second per source/32"), "over 1/second per source/64");
    EXPECT_EQ(read("over 1/second per source/24,64"), "over 1/second per source/24");
}

TEST(Rates, AreReadBack) {
    generate::Random random(1);
    constexpr RatePeriod kPeriods[] = {RatePeriod::kSecond, RatePeriod::kMinute, RatePeriod::kHour};
    constexpr RatePer kPers[] = {RatePer::kRule, RatePer::kSource, RatePer::kDestination, RatePer::kService,
                                 RatePer::kFlow};
    for (int i = 0; i < 5000; ++i) {
        Rate rate;
        rate.over = random.percent(50);
        rate.bytes = random.percent(50);
        rate.count = random.between(1000, 100'000);
        rate.period = random.pick(kPeriods);
        rate.burst = random.percent(30) ? default_burst(rate) : random.between(1, 100'000);
        rate.per = random.pick(kPers);
        if (rate.per == RatePer::kSource || rate.per == RatePer::kDestination) {
            rate.ipv4_bits = static_cast<std::uint8_t>(random.percent(30) ? 32 : random.between(1, 32));
            rate.ipv6_bits = static_cast<std::uint8_t>(random.percent(30) ? 128 : random.between(1, 128));
        }
        const auto again = parse_rate(format_rate(rate));
        ASSERT_TRUE(again) << format_rate(rate) << ": " << again.error().message;
        ASSERT_EQ(*again, rate) << format_rate(rate);
    }
}

TEST(Rates, SayWhatIsAccepted) {
    EXPECT_EQ(read(""), "a rate is empty; write over 10/second or under 10/second");
    EXPECT_EQ(read("5/minute"), "a rate begins with over or under, not \"5/minute\": over 10/second");
    EXPECT_EQ(read("over"), "over what? write over 10/second");
    for (const char* word : {"5", "/second", "0/second", "-1/second", "5.5/second", "1000000000001/hour"}) {
        EXPECT_EQ(
            read(std::string("over ") + word),
            "\"" + std::string(word) +
                "\" is not a rate: write a number from 1 to 1000000000000 and its time, as in 10/second, "
                "5/minute or 100/hour");
    }
    EXPECT_EQ(read("over 5/day"), "\"day\" is not the time of a rate; write second, minute or hour");
    EXPECT_EQ(read("over 5/second burts 3"), "\"burts\" is no part of a rate; did you mean \"burst\"?");
    EXPECT_EQ(
        read("over 5/second tcp/22"),
        "\"tcp/22\" is no part of a rate; behind 10/second stand burst 20, packets or bytes, and per source");
    EXPECT_EQ(read("over 5/second burst"), "burst of how many? write burst 20");
    EXPECT_EQ(read("over 5/second burst 0"), "\"0\" is not a burst: a number from 1 to 1000000000000");
    EXPECT_EQ(read("over 5/second burst 2 burst 3"), "burst is there twice");
    EXPECT_EQ(read("over 5/second bytes packets"), "packets or bytes is there twice");
    EXPECT_EQ(read("over 5/second per"), "per what? write per source, destination, service or flow");
    EXPECT_EQ(read("over 5/second per host"),
              "\"host\" is not what a rate can be per; write source, destination, service or flow");
    EXPECT_EQ(read("over 5/second per flow/24"), "\"flow/24\": only source and destination take a length");
    for (const char* word :
         {"source/", "source/0", "source/129", "source/33,64", "source/24,", "source/24,64,1"}) {
        EXPECT_EQ(
            read(std::string("over 5/second per ") + word),
            "\"" + std::string(word) +
                "\" has no length of addresses: write source/24 for IPv4, source/64 for IPv6, source/24,64 "
                "for both");
    }
    EXPECT_EQ(read("over 2000000000/second"), "a rate of packets is at most 1000000000/second");
    EXPECT_EQ(
        read("over 1/hour burst 200"),
        "a burst of 200 would take longer than a week to come back; write a smaller burst or a higher rate");
    EXPECT_EQ(read("over 1/hour burst 168"), "over 1/hour burst 168");
}

}  // namespace
}  // namespace fwctl::policy
