#include "engine/policy_test.h"

#include <gtest/gtest.h>

#include "policy/parse.h"

namespace fwctl::testing {
namespace {

constexpr const char* kPolicy = R"(version = 1
[defaults]
in = "deny"
[attach.wan]
device = "eth0"
[[rule]]
name = "web"
service = "tcp/443"
action = "allow"
[[rule]]
name = "scans"
service = "tcp/23"
action = "reject"
[[test]]
packet = "tcp 198.51.100.7 > 203.0.113.10:443 on wan"
expect = "allow"
because = "web"
[[test]]
packet = "udp 198.51.100.7 > 203.0.113.10:443"
expect = "deny"
because = "default-deny"
repeat = 3
[[test]]
packet = "tcp 198.51.100.7 > 203.0.113.10:23"
expect = "reject"
[[test]]
packet = "tcp 198.51.100.7 > 203.0.113.10:23"
expect = "allow"
because = "web"
[[test]]
packet = "tcp 198.51.100.7 > 203.0.113.10:443 on lan"
expect = "allow"
[[test]]
packet = "arp"
expect = "allow"
because = "apr"
)";

TEST(PolicyTestTest, SaysOfEachTestWhetherItHolds) {
    const auto policy = policy::parse_policy(kPolicy, "policy.toml");
    ASSERT_TRUE(policy) << policy.error().render();
    const auto outcomes = engine::run_tests(*policy);
    ASSERT_TRUE(outcomes) << outcomes.error().message;
    std::vector<std::string> problems;
    for (const engine::TestOutcome& outcome : *outcomes) problems.push_back(outcome.problem);
    EXPECT_EQ(
        problems,
        (std::vector<std::string>{
            "", "", "", "expected allow because of \"web\", got reject by rule \"scans\" (policy.toml:10)",
            "\"lan\" is not attached; there are: wan (eth0)", "no rule and no reason is called \"apr\""}));
    EXPECT_EQ(outcomes->front().place, "policy.toml:14");
    EXPECT_EQ(outcomes->front().verdict, "allow");
    EXPECT_EQ(outcomes->front().decider, "rule \"web\" (policy.toml:6)");
    EXPECT_EQ((*outcomes)[1].decider, "default-deny");

    const auto checked = engine::check_tests(*policy);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().exit, Exit::kTestFailed);
    EXPECT_EQ(
        checked.error().message,
        "3 of the policy's own 6 tests failed; --force applies it all the same\n"
        "  policy.toml:26: tcp 198.51.100.7 > 203.0.113.10:23: expected allow because of \"web\", got reject "
        "by rule \"scans\" (policy.toml:10)\n"
        "  policy.toml:30: tcp 198.51.100.7 > 203.0.113.10:443 on lan: \"lan\" is not attached; there are: "
        "wan (eth0)\n"
        "  policy.toml:33: arp: no rule and no reason is called \"apr\"");
}

TEST(PolicyTestTest, APolicyWithoutTestsHasNothingToFail) {
    EXPECT_TRUE(engine::check_tests(policy::Policy{}));
}

}  // namespace
}  // namespace fwctl::testing
