#include "compile/dump.h"

#include <gtest/gtest.h>

#include "generate/packets.h"
#include "generate/policy.h"
#include "policy/evaluate.h"

namespace fwctl::compile {
namespace {

// Every rule that decides a packet has a row in the text, whichever way leads there. A rule that no packet
// meets may have none.
TEST(DumpTest, HasTheRulesThatDecide) {
    for (const auto mix : {generate::Mix::kAcl, generate::Mix::kFirewall, generate::Mix::kWildcard}) {
        const policy::Policy policy = generate::generate_policy(mix, 300, 7);
        const auto context = generate::generate_context(policy, 7, 0);
        const auto text = dump_image(policy);
        ASSERT_TRUE(text) << text.error().message;
        EXPECT_EQ(*text, *dump_image(policy));
        generate::Random random(7);
        for (int i = 0; i < 2000; ++i) {
            const auto packet = generate::aimed_packet(policy.rules, context, random);
            const auto rule = policy::evaluate(policy.rules, packet, context).rule;
            if (!rule) continue;
            const std::string& name = policy.rules[*rule].name;
            EXPECT_NE(text->find(" \"" + name + "\": traits "), std::string::npos) << name;
        }
    }
}

TEST(DumpTest, SaysWhereARuleHolds) {
    policy::Policy policy;
    policy::Rule rule;
    rule.name = "only";
    rule.action = policy::Action::kDeny;
    rule.direction = policy::Direction::kIn;
    rule.on = {"eth*"};
    rule.services.emplace_back();
    policy.rules.push_back(rule);
    const auto text = dump_image(policy);
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_NE(text->find("tcp of any address: rows "), std::string::npos) << *text;
    EXPECT_NE(text->find("\nwhere 1: in eth*\n"), std::string::npos) << *text;
}

}  // namespace
}  // namespace fwctl::compile
