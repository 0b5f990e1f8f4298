#include "agent/pace.h"

#include <gtest/gtest.h>

#include <array>

namespace fwctl::agent {
namespace {

using std::chrono::milliseconds;

constexpr Time kNow{std::chrono::hours(1)};
constexpr milliseconds kEvery{10'000};

TEST(PaceTest, FirstTurnsAreSpreadOverThePeriod) {
    Pace pace(1);
    std::array<int, 10> tenths{};
    for (int i = 0; i < 10'000; ++i) {
        const auto offset = pace.first(kNow, kEvery) - kNow;
        ASSERT_GE(offset, milliseconds(0));
        ASSERT_LT(offset, kEvery);
        ++tenths.at(static_cast<std::size_t>(offset / (kEvery / 10)));
    }
    for (const int tenth : tenths) EXPECT_NEAR(tenth, 1000, 150);
}

TEST(PaceTest, LaterTurnsComeAPeriodLaterMoreOrLessATenth) {
    Pace pace(1);
    auto least = 2 * kEvery;
    auto most = milliseconds(0);
    for (int i = 0; i < 10'000; ++i) {
        const auto gap = std::chrono::duration_cast<milliseconds>(pace.next(kNow, kNow, kEvery) - kNow);
        least = std::min(least, gap);
        most = std::max(most, gap);
    }
    EXPECT_GE(least, milliseconds(9'000));
    EXPECT_LT(least, milliseconds(9'100));
    EXPECT_LE(most, milliseconds(11'000));
    EXPECT_GT(most, milliseconds(10'900));
}

TEST(PaceTest, TurnsThatWereMissedAreNotMadeUpFor) {
    Pace pace(1);
    const Time late = kNow + 10 * kEvery;
    EXPECT_EQ(pace.next(kNow, late, kEvery), late);
}

TEST(PaceTest, TheSameSeedDrawsTheSame) {
    Pace one(7);
    Pace same(7);
    Pace other(8);
    const Time drawn = one.first(kNow, kEvery);
    EXPECT_EQ(drawn, same.first(kNow, kEvery));
    EXPECT_NE(drawn, other.first(kNow, kEvery));
}

}  // namespace
}  // namespace fwctl::agent
