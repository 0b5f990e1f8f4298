// Every packet is counted once, under its reason and its rule, with its length.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "packet_builder.h"
#include "packet_generator.h"
#include "policy/service.h"
#include "program_runner.h"

namespace fwctl::testing {
namespace {

TEST(CountTest, TheSumOfTheReasonsIsThePacketsSeen) {
    auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET);
    ASSERT_TRUE(runner) << runner.error().message;
    policy::Rule rule;
    rule.name = "deny udp";
    rule.services = {policy::parse_service("udp").value()};
    ASSERT_TRUE(runner->set_rules({rule}));

    std::mt19937_64 random(1);
    std::map<int, fw_count> by_reason;
    std::map<int, fw_count> by_rule;
    for (int i = 0; i < 5000; ++i) {
        const Bytes frame = random_packet(random, FW_LINK_ETHERNET);
        if (frame.size() < 14) continue;  // the test run takes no shorter ones
        const auto result = runner->run(frame);
        ASSERT_TRUE(result) << result.error().message;
        for (fw_count* count : {&by_reason[result->trace.reason], &by_rule[result->trace.rule]}) {
            ++count->packets;
            count->bytes += frame.size();
        }
    }
    const auto counters = runner->store().counters(runner->state().attachments.front().slot, FW_IN);
    ASSERT_TRUE(counters) << counters.error().message;
    for (int reason = 0; reason < FW_REASON_COUNT; ++reason) {
        EXPECT_EQ(counters->by_reason[reason].packets, by_reason[reason].packets) << reason;
        EXPECT_EQ(counters->by_reason[reason].bytes, by_reason[reason].bytes) << reason;
    }
    for (const engine::CountedRule& counted : runner->state().front_rules()) {
        const auto counts = runner->store().rule_counts({&counted.counter, 1});
        ASSERT_TRUE(counts);
        const fw_rule_count* count = &counts->front();
        EXPECT_EQ(count->packets, by_rule[counted.counter].packets) << counted.rule.name;
        EXPECT_EQ(count->bytes, by_rule[counted.counter].bytes) << counted.rule.name;
    }
}

// Nothing of the other direction, and nothing while the generation does not enable the attachment.
TEST(CountTest, AnAttachmentThatIsNotEnabledPassesAndCountsNothing) {
    auto runner = ProgramRunner::load(Hook::kTcOut, FW_LINK_ETHERNET);
    ASSERT_TRUE(runner) << runner.error().message;
    engine::State state = runner->state();
    const std::uint32_t slot = state.attachments.front().slot;
    state.attachments.clear();
    ASSERT_TRUE(runner->store().publish(state));
    const Bytes broken = cut(ethernet() / ipv4() / udp(), 40);
    EXPECT_EQ(runner->run(broken)->action, -1);
    for (const fw_direction direction : {FW_IN, FW_OUT}) {
        const auto counters = runner->store().counters(slot, direction);
        ASSERT_TRUE(counters);
        for (const fw_count& count : counters->by_reason) EXPECT_EQ(count.packets, 0U);
    }
}

}  // namespace
}  // namespace fwctl::testing
