#include "agent/health_state.h"

#include <gtest/gtest.h>

#include <string>

namespace fwctl::agent {
namespace {

// What each result of "+-" makes of the state: U, D, and a capital where it has changed by it.
std::string course(const std::string& results, std::uint32_t rise, std::uint32_t fall) {
    policy::Health health;
    health.rise = rise;
    health.fall = fall;
    HealthState state;
    std::string course;
    for (const char result : results) {
        const bool changed = state.note(result == '+', health);
        const bool up = state.condition() == Condition::kUp;
        course += changed ? (up ? 'U' : 'D') : (up ? 'u' : 'd');
    }
    return course;
}

TEST(HealthStateTest, NothingIsKnownBeforeTheFirstResult) {
    EXPECT_EQ(HealthState().condition(), Condition::kUnknown);
}

TEST(HealthStateTest, TheFirstResultDecidesAtOnce) {
    EXPECT_EQ(course("+", 5, 5), "U");
    EXPECT_EQ(course("-", 5, 5), "D");
}

TEST(HealthStateTest, FallBadOnesInARowBringItDown) {
    EXPECT_EQ(course("+---", 2, 3), "UuuD");
    EXPECT_EQ(course("+--+--+", 2, 3), "Uuuuuuu");
    EXPECT_EQ(course("+-", 2, 1), "UD");
}

TEST(HealthStateTest, RiseGoodOnesInARowBringItUp) {
    EXPECT_EQ(course("-++", 2, 3), "DdU");
    EXPECT_EQ(course("-+-+-+", 2, 3), "Dddddd");
    EXPECT_EQ(course("-+", 1, 3), "DU");
}

TEST(HealthStateTest, ARowBeginsAnewAfterEachChange) {
    EXPECT_EQ(course("+---++---++", 2, 3), "UuuDdUuuDdU");
}

TEST(HealthStateTest, ThresholdsCountAsTheyAreNow) {
    policy::Health health;
    HealthState state;
    state.note(true, health);
    state.note(false, health);
    health.fall = 2;
    EXPECT_TRUE(state.note(false, health));
    EXPECT_EQ(state.condition(), Condition::kDown);
}

}  // namespace
}  // namespace fwctl::agent
