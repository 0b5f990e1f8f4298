// Rules that ban, packet by packet: who is put into the set, and what becomes of the next packet.
#include <gtest/gtest.h>

#include <algorithm>

#include "packet_builder.h"
#include "policy/prefix.h"
#include "policy/service.h"
#include "program_judge.h"

namespace fwctl::testing {
namespace {

using policy::Policy;
using policy::Rule;

Rule rule(const char* name, policy::Action action, const char* service) {
    Rule made;
    made.name = name;
    made.action = action;
    made.services = {policy::parse_service(service).value()};
    made.origin = policy::Origin::kFile;
    return made;
}

// udp/9 is a trap on eth0, and those who stepped into it reach nothing.
Policy with_a_trap(policy::Action action) {
    Policy policy;
    policy::Set banned;
    banned.name = "banned";
    banned.dynamic = true;
    policy.sets = {banned};
    Rule listed = rule("listed", policy::Action::kDeny, "any");
    listed.from.sets = {"banned"};
    Rule trap = rule("trap", action, "udp/9");
    trap.direction = policy::Direction::kIn;
    trap.ban = policy::Ban{"banned", std::chrono::hours(1)};
    policy.rules = {listed, trap};
    return policy;
}

class BanTest : public ::testing::TestWithParam<policy::Action> {};

TEST_P(BanTest, TheSourceOfWhatTheRuleDecidesIsBanned) {
    auto judge = ProgramJudge::make();
    ASSERT_TRUE(judge) << judge.error().message;
    const bool drops = GetParam() != policy::Action::kAllow;
    for (const Attachment& where : kAttachments) {
        if (where.direction != policy::Direction::kIn) continue;
        ASSERT_TRUE((*judge)->load(with_a_trap(GetParam()), {}));
        const bool ethernet_link = where.link == FW_LINK_ETHERNET;
        const auto packet = [&](bool v6, std::uint16_t port) {
            const Bytes layers =
                v6 ? Bytes(ipv6() / udp({.destination = port})) : Bytes(ipv4() / udp({.destination = port}));
            if (!ethernet_link) return layers;
            return v6 ? Bytes(ethernet() / ipv6() / udp({.destination = port}))
                      : Bytes(ethernet() / ipv4() / udp({.destination = port}));
        };
        for (const bool v6 : {false, true}) {
            const auto ask = [&](std::uint16_t port) {
                return (*judge)->judge(where, packet(v6, port), {}).value();
            };
            EXPECT_EQ(ask(10), (Judgement{std::nullopt, false})) << where.name;
            EXPECT_EQ(ask(9), (Judgement{"trap", drops})) << where.name;
            EXPECT_EQ(ask(10), (Judgement{"listed", true})) << where.name;
            EXPECT_EQ(ask(9), (Judgement{"listed", true})) << where.name;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Actions, BanTest,
                         ::testing::Values(policy::Action::kAllow, policy::Action::kDeny,
                                           policy::Action::kReject));

TEST(BanTest, WhatGoesOutBansNobody) {
    auto judge = ProgramJudge::make();
    ASSERT_TRUE(judge) << judge.error().message;
    Policy policy = with_a_trap(policy::Action::kDeny);
    policy.rules[1].direction = policy::Direction::kBoth;  // as no reader gives it
    ASSERT_TRUE((*judge)->load(policy, {}));
    const auto docker = std::find_if(kAttachments.begin(), kAttachments.end(), [](const Attachment& one) {
        return one.direction == policy::Direction::kOut;
    });
    const Bytes trap = ethernet() / ipv4() / udp({.destination = 9});
    EXPECT_EQ((*judge)->judge(*docker, trap, {}).value().rule, "trap");
    EXPECT_EQ((*judge)->judge(*docker, trap, {}).value().rule, "trap");
}

}  // namespace
}  // namespace fwctl::testing
