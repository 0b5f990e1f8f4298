// The programs against the slow evaluator: random rules, and packets that meet them.
//
// Other ones than the usual: --gtest_random_seed=N.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <thread>

#include "frame_of.h"
#include "generate/small_world.h"
#include "packet_builder.h"
#include "policy/builtin.h"
#include "policy/evaluate.h"
#include "policy/print.h"
#include "policy/service.h"
#include "program_runner.h"
#include "rounds.h"

namespace fwctl::testing {
namespace {

using policy::PacketView;
using policy::Rule;

const int kPolicies = rounds(60);  // for each attachment
constexpr int kPacketsPerPolicy = 400;

struct Attachment {
    Hook hook;
    policy::Direction direction;
    const char* interface;
};

constexpr Attachment kAttachments[] = {{Hook::kXdp, policy::Direction::kIn, "eth0"},
                                       {Hook::kTcIn, policy::Direction::kIn, "docker0"},
                                       {Hook::kTcOut, policy::Direction::kOut, "veth[1]"}};

std::string listing(const std::vector<Rule>& rules) {
    std::string text;
    for (const Rule& rule : rules) text += fmt::format("\n  {}: {}", rule.name, policy::describe(rule));
    return text;
}

TEST(ClassifyTest, AgreesWithTheEvaluator) {
    const auto seed = static_cast<unsigned>(GTEST_FLAG_GET(random_seed));
    int by_live_rules = 0;
    for (const Attachment& attachment : kAttachments) {
        auto runner = ProgramRunner::load(attachment.hook, FW_LINK_ETHERNET, attachment.interface);
        ASSERT_TRUE(runner) << runner.error().message;
        generate::SmallWorld random(seed, generate::Vocabulary::kLive);
        for (int round = 0; round < kPolicies; ++round) {
            const std::vector<Rule> live = random.policy().rules;
            ASSERT_TRUE(runner->set_rules(live));
            std::vector<Rule> all = policy::builtin_rules();
            all.insert(all.end(), live.begin(), live.end());
            for (int i = 0; i < kPacketsPerPolicy; ++i) {
                PacketView made_from = random.packet();
                made_from.direction = attachment.direction;
                made_from.interfaces = {attachment.interface};
                made_from.mac = 1;
                made_from.now = engine::monotonic_now();
                const Frame frame = frame_of(made_from);
                const auto expected = policy::first_match(all, frame.view);
                const auto actual = runner->run(frame.bytes);
                ASSERT_TRUE(actual) << actual.error().message;
                const auto name = expected ? std::optional(all[*expected].name) : std::nullopt;
                ASSERT_EQ(runner->rule_name(actual->trace), name)
                    << "seed " << seed << ", policy " << round << ", packet " << i << listing(live);
                const bool denied = expected && all[*expected].action == policy::Action::kDeny;
                const bool dropped = actual->action == (attachment.hook == Hook::kXdp ? 1 : 2);
                ASSERT_EQ(dropped, denied);
                by_live_rules += expected && *expected >= policy::builtin_rules().size() ? 1 : 0;
            }
        }
    }
    EXPECT_GT(by_live_rules, kPolicies * kPacketsPerPolicy / 2) << "the packets hardly meet the rules";
}

Rule deny(const char* service) {
    Rule rule;
    rule.name = std::string("deny-") + service;
    rule.services = {policy::parse_service(service).value()};
    return rule;
}

TEST(ClassifyTest, TheSwitchIsSeenByTheNextPacket) {
    auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET);
    ASSERT_TRUE(runner) << runner.error().message;
    const Bytes ping = ethernet() / ipv4() / icmp();
    EXPECT_EQ(runner->run(ping)->trace.reason, FW_REASON_DEFAULT_ALLOW);
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(runner->set_rules({deny("icmp")}));
        EXPECT_EQ(runner->run(ping)->trace.reason, FW_REASON_RULE_DENY);
        ASSERT_TRUE(runner->set_rules({}));
        EXPECT_EQ(runner->run(ping)->trace.reason, FW_REASON_DEFAULT_ALLOW);
    }
}

TEST(ClassifyTest, ARuleEndsWhenItsTimeIsOver) {
    auto runner = ProgramRunner::load(Hook::kTcIn, FW_LINK_ETHERNET);
    ASSERT_TRUE(runner) << runner.error().message;
    Rule rule = deny("icmp");
    const Bytes ping = ethernet() / ipv4() / icmp();
    // The time that a slow machine needs to come to the first packet is not known: more each time.
    std::uint64_t lasts = 300'000'000;
    std::uint8_t reason = FW_REASON_DEFAULT_ALLOW;
    do {
        rule.expires = engine::monotonic_now() + lasts;
        ASSERT_TRUE(runner->set_rules({rule}));
        reason = runner->run(ping)->trace.reason;
        lasts *= 4;
    } while (engine::monotonic_now() >= rule.expires);
    EXPECT_EQ(reason, FW_REASON_RULE_DENY);
    while (engine::monotonic_now() < rule.expires + 50'000'000) std::this_thread::yield();
    EXPECT_EQ(runner->run(ping)->trace.reason, FW_REASON_DEFAULT_ALLOW);
}

TEST(ClassifyTest, EveryServiceOfALongRuleIsAsked) {
    auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET);
    ASSERT_TRUE(runner) << runner.error().message;
    Rule rule = deny("tcp/1");
    for (int port = 3; port < 10'000; port += 2)
        rule.services.push_back(policy::parse_service(fmt::format("tcp/{}", port)).value());
    ASSERT_TRUE(runner->set_rules({rule}));
    for (const std::uint16_t port : {1, 2, 3, 4'444, 5'555, 9'998, 9'999, 10'000, 10'001}) {
        const bool named = port % 2 == 1 && port < 10'000;
        EXPECT_EQ(runner->run(Bytes(ethernet() / ipv4() / tcp({.destination = port})))->trace.reason,
                  named ? FW_REASON_RULE_DENY : FW_REASON_DEFAULT_ALLOW)
            << port;
    }
}

}  // namespace
}  // namespace fwctl::testing
