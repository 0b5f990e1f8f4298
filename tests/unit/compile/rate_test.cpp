#include "compile/rate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "generate/random.h"
#include "policy/rate.h"

namespace fwctl::compile {
namespace {

policy::Rule rule(const std::string& rate, const std::string& name = "a") {
    policy::Rule rule;
    rule.name = name;
    rule.rate = policy::parse_rate(rate).value();
    return rule;
}

long double ticks_each(const policy::Rate& rate) {
    return static_cast<long double>(policy::period_of(rate).count()) * 1e9L *
           static_cast<int>(FW_TICKS_PER_NANOSECOND) / static_cast<long double>(rate.count);
}

// For all rates that can be written: the cost of a token is what the rate says, and no product overflows.
TEST(Rate, CostsWhatItSays) {
    generate::Random random(1);
    constexpr const char* kPeriods[] = {"second", "minute", "hour"};
    int tried = 0;
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t count = 1 + (random.bits() >> (24 + random.below(40))) % policy::kMostTokens;
        const std::uint64_t burst = 1 + (random.bits() >> (24 + random.below(40))) % policy::kMostTokens;
        const std::string text = fmt::format("over {}/{} burst {}{}", count, random.pick(kPeriods), burst,
                                             random.percent(50) ? " bytes" : "");
        if (!policy::parse_rate(text)) continue;
        ++tried;
        const policy::Rule one = rule(text);
        const fw_rate rate = rate_of(one, 7);
        const long double each = std::ldexp(static_cast<long double>(rate.cost), -rate.shift);
        ASSERT_NEAR(static_cast<double>(each / ticks_each(*one.rate)), 1, std::ldexp(1.0, -18)) << text;
        ASSERT_LT(static_cast<long double>(rate.burst) * static_cast<long double>(rate.cost),
                  std::ldexp(1.0L, 63))
            << text;
        ASSERT_EQ(rate.capacity, rate.burst * rate.cost >> rate.shift) << text;
    }
    EXPECT_GT(tried, 5000);
}

TEST(Rate, IsExactWhereATokenTakesWholeTicks) {
    const fw_rate rate = rate_of(rule("over 20/minute burst 3"), 7);
    EXPECT_EQ(rate.cost >> rate.shift, 3'000'000'000ULL * FW_TICKS_PER_NANOSECOND);
    EXPECT_EQ(rate.capacity, 3 * 3'000'000'000ULL * FW_TICKS_PER_NANOSECOND);
    EXPECT_EQ(rate.rule, 7U);
}

TEST(Rate, HasOneIdentityForTheSameNameAndNumbers) {
    std::set<std::uint64_t> known;
    for (const char* text :
         {"over 5/second", "under 5/second", "over 5/minute", "over 5/second burst 6", "over 5/second bytes",
          "over 5/second per source", "over 5/second per source/24"})
        for (const char* name : {"a", "b"}) known.insert(rate_of(rule(text, name), 1).identity);
    EXPECT_EQ(known.size(), 14U);
    EXPECT_EQ(rate_of(rule("over 5/second"), 1).identity, rate_of(rule("over 5/second burst 5"), 2).identity);
}

}  // namespace
}  // namespace fwctl::compile
