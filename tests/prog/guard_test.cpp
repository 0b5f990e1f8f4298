// The guard of apply, on halves that do not hold yet.
#include "engine/guard.h"

#include <gtest/gtest.h>

#include "engine/candidate.h"
#include "engine/running.h"
#include "policy/parse.h"
#include "program_runner.h"

namespace fwctl::testing {
namespace {

using policy::Policy;

Policy policy_of(const std::string& text) {
    auto parsed = policy::parse_policy("version = 1\n" + text, "policy.toml");
    if (!parsed) ADD_FAILURE() << parsed.error().render();
    return parsed ? std::move(*parsed) : Policy{};
}

// Prepares the policy beside what runs, and asks about a session on eth0.
class GuardTest : public ::testing::Test {
protected:
    void SetUp() override {
        auto made = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET);
        ASSERT_TRUE(made) << made.error().message;
        runner_.emplace(std::move(*made));
    }

    std::string answer(const std::string& text, const char* connection, std::uint8_t hooks) {
        const Policy policy = policy_of(text);
        engine::State next = runner_->state();
        next.attachments.front().record.hooks = hooks;
        const engine::Store& store = runner_->store();
        EXPECT_TRUE(engine::settle_live(next, Policy{}, policy, false));
        auto image = engine::compile_candidate(store, runner_->state(), Policy{}, policy, next);
        EXPECT_TRUE(image) << image.error().message;
        EXPECT_TRUE(store.prepare(next, &*image));
        auto explainer = engine::Explainer::of_half(store, next, store.next_half(), policy);
        EXPECT_TRUE(explainer) << explainer.error().message;
        const auto safe = engine::check_session(*explainer, *engine::parse_ssh_connection(connection),
                                                {&explainer->state().attachments.front()});
        store.abandon(next);
        if (safe) return "safe";
        EXPECT_EQ(safe.error().exit, Exit::kConflict);
        return safe.error().message;
    }

    std::optional<ProgramRunner> runner_;
};

constexpr const char* kSession = "198.51.100.7 50000 203.0.113.1 22";
constexpr const char* kSession6 = "2001:db8::7 50000 2001:db8::1 22";
constexpr std::uint8_t kBoth = FW_HOOK_XDP | FW_HOOK_TC_OUT;

TEST_F(GuardTest, APolicyThatLetsItPassIsSafe) {
    EXPECT_EQ(answer("", kSession, kBoth), "safe");
    EXPECT_EQ(answer("[defaults]\nin = \"deny\"\n[[rule]]\nname = \"ssh\"\nservice = \"tcp/22\"\n"
                     "from = [\"198.51.100.0/24\", \"2001:db8::/64\"]\naction = \"allow\"\n",
                     kSession, kBoth),
              "safe");
}

TEST_F(GuardTest, TheDefaultCutsIt) {
    EXPECT_EQ(
        answer("[defaults]\nin = \"deny\"\n", kSession, kBoth),
        "this would cut the SSH session from 198.51.100.7 port 50000 to 203.0.113.1 port 22: default-deny "
        "(no rule matched; the default drops it) drops what comes in on eth0; allow it, for example by a "
        "lockout guard, or add --force");
}

TEST_F(GuardTest, ARuleCutsIt) {
    const std::string rule = "[[rule]]\nname = \"v6\"\nfrom = \"2001:db8::/64\"\naction = \"deny\"\n";
    EXPECT_EQ(
        answer(rule, kSession6, kBoth),
        "this would cut the SSH session from 2001:db8::7 port 50000 to 2001:db8::1 port 22: rule \"v6\" "
        "(policy.toml:2) drops what comes in on eth0; allow it, for example by a lockout guard, or add "
        "--force");
    EXPECT_EQ(answer(rule, kSession, kBoth), "safe");
}

TEST_F(GuardTest, WhatGoesOutCounts) {
    const std::string policy =
        "[[rule]]\nname = \"high ports\"\nservice = \"tcp/32768-65535\"\ndirection = \"out\"\n"
        "action = \"reject\"\n";
    EXPECT_EQ(
        answer(policy, kSession, kBoth),
        "this would cut the SSH session from 198.51.100.7 port 50000 to 203.0.113.1 port 22: rule \"high "
        "ports\" (policy.toml:2) drops the answers on eth0; allow it, for example by a lockout guard, or "
        "add --force");
    EXPECT_EQ(answer(policy, kSession, FW_HOOK_XDP), "safe") << "nothing judges what goes out";
}

TEST_F(GuardTest, TheLockoutGuardKeepsIt) {
    EXPECT_EQ(answer("[defaults]\nin = \"deny\"\nout = \"deny\"\n"
                     "lockout = { from = \"198.51.100.0/24\", service = \"tcp/22\" }\n",
                     kSession, kBoth),
              "safe");
}

}  // namespace
}  // namespace fwctl::testing
