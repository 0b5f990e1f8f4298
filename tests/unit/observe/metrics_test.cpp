#include "observe/metrics.h"

#include <gtest/gtest.h>

#include <memory>

namespace fwctl::observe {
namespace {

std::shared_ptr<const NamedRules> a_policy() {
    return std::make_shared<NamedRules>();
}

TEST(OtherRulesTest, CountsWhatComesToTheRulesThatHold) {
    const auto rules = a_policy();
    OtherRules others;
    others.add(rules, {100, 6000});
    EXPECT_EQ(others.total().packets, 0U) << "what was before it was asked for";
    others.add(rules, {103, 6180});
    others.add(rules, {107, 6420});
    EXPECT_EQ(others.total().packets, 7U);
    EXPECT_EQ(others.total().bytes, 420U);
}

TEST(OtherRulesTest, NeitherFallsNorJumpsWhenAPolicyIsApplied) {
    OtherRules others;
    const auto first = a_policy();
    others.add(first, {100, 6000});
    others.add(first, {110, 6600});
    // One without the rule that has counted most.
    const auto second = a_policy();
    others.add(second, {5, 300});
    EXPECT_EQ(others.total().packets, 10U);
    others.add(second, {6, 360});
    EXPECT_EQ(others.total().packets, 11U);
    // One in which a rule with a long past has no line of its own any more.
    const auto third = a_policy();
    others.add(third, {1'000'006, 60'000'360});
    EXPECT_EQ(others.total().packets, 11U);
    EXPECT_EQ(others.total().bytes, 660U);
    others.add(third, {1'000'008, 60'000'480});
    EXPECT_EQ(others.total().packets, 13U);
    EXPECT_EQ(others.total().bytes, 780U);
}

}  // namespace
}  // namespace fwctl::observe
