#include "engine/verdict.h"

#include <gtest/gtest.h>

#include "fwctl/abi/flow.h"
#include "fwctl/abi/reason.h"

namespace fwctl::engine {
namespace {

// What XDP leaves to TC is not let in yet.
TEST(VerdictOf, SynproxyIsSaidOfWhatIsPartOfNoConnection) {
    policy::Rule rule;
    rule.action = policy::Action::kSynproxy;
    const auto verdict = [&rule](std::uint8_t reason, std::uint8_t state) {
        return verdict_of(reason_of(reason), &rule, state, false);
    };
    EXPECT_EQ(verdict(FW_REASON_RULE_SYNPROXY, FW_STATE_NEW), "synproxy");
    EXPECT_EQ(verdict(FW_REASON_RULE_SYNPROXY, FW_STATE_INVALID), "synproxy");
    EXPECT_EQ(verdict(FW_REASON_RULE_SYNPROXY, FW_STATE_ESTABLISHED), "allow");
    EXPECT_EQ(verdict(FW_REASON_SYN_COOKIE, FW_STATE_NEW), "synproxy");
    EXPECT_EQ(verdict(FW_REASON_COOKIE_ACCEPTED, FW_STATE_NEW), "allow");
    EXPECT_EQ(verdict(FW_REASON_COOKIE_INVALID, FW_STATE_INVALID), "deny");
}

// What XDP leaves to TC is balanced there; what a rule denies is not for the service any more.
TEST(VerdictOf, BalanceIsSaidOfWhatIsLetInForAService) {
    const auto verdict = [](std::uint8_t reason) {
        return verdict_of(reason_of(reason), nullptr, FW_STATE_UNTRACKED, true);
    };
    EXPECT_EQ(verdict(FW_REASON_DEFAULT_ALLOW), "balance");
    EXPECT_EQ(verdict(FW_REASON_RULE_ALLOW), "balance");
    EXPECT_EQ(verdict(FW_REASON_BALANCED), "balance");
    EXPECT_EQ(verdict(FW_REASON_ECHO_ANSWERED), "balance");
    EXPECT_EQ(verdict(FW_REASON_ANSWER_TRANSLATED), "balance");
    EXPECT_EQ(verdict(FW_REASON_RULE_DENY), "deny");
    EXPECT_EQ(verdict(FW_REASON_NO_BACKEND), "deny");
    EXPECT_EQ(verdict(FW_REASON_BALANCE_FAILED), "deny");
}

}  // namespace
}  // namespace fwctl::engine
