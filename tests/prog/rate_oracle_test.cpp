// Rules with a rate, and rules that log: the programs' buckets, and what who listens is told, against the
// evaluator's word, by a clock that the test sets.
//
// Other rules and packets than the usual: --gtest_random_seed=N.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/listener.h"
#include "frame_of.h"
#include "generate/packets.h"
#include "generate/policy.h"
#include "generate/small_world.h"
#include "policy/builtin.h"
#include "policy/print.h"
#include "policy/rate.h"
#include "policy/rule.h"
#include "program_judge.h"
#include "rounds.h"

namespace fwctl::testing {
namespace {

using policy::PacketView;
using policy::Rule;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 1000 * kSecond;

const int kPolicies = std::max(3, rounds(40));
constexpr int kPackets = 600;  // of each attachment and policy

// Rates whose tokens take whole ticks, so that both sides are exact.
policy::Rate draw_rate(generate::SmallWorld& random) {
    constexpr std::uint64_t kCounts[] = {1, 2, 4, 5, 8, 10, 20, 50, 100};
    constexpr const char* kPers[] = {
        "",          " per source",      " per source/24",      " per source/8,32",
        " per flow", " per destination", " per destination/48", " per service"};
    const bool bytes = random.chance(3);
    std::string text = random.chance(2) ? "over " : "under ";
    text += fmt::format("{}/{}", kCounts[random.below(std::size(kCounts))] * (bytes ? 100 : 1),
                        random.chance(3) ? "minute" : "second");
    text += fmt::format(" burst {}", bytes ? 40 + random.below(400) : 1 + random.below(5));
    if (bytes) text += " bytes";
    return policy::parse_rate(text + kPers[random.below(std::size(kPers))]).value();
}

void add_rates(std::vector<Rule>& rules, generate::SmallWorld& random) {
    for (Rule& one : rules) {
        if (random.chance(2)) one.rate = draw_rate(random);
        one = policy::canonical(one);
    }
}

class Walk {
public:
    Walk(ProgramJudge& judge, std::uint64_t seed)
        : judge_(judge),
          world_(seed),
          front_(seed, generate::Vocabulary::kLive),
          random_(seed),
          listener_(engine::Listener::open(judge.store(), {std::uint64_t{1} << FW_RULE_LOGGED}).value()) {}

    void run(int number) {
        // Now and then one whose leaves are cut, and found by addresses.
        const bool is_large = number % 5 == 4;
        policy::Policy policy =
            is_large ? generate::generate_policy(generate::Mix::kFirewall, 200, world_.below(1000))
                     : world_.policy(14);
        std::vector<Rule> live = front_.policy(4).rules;
        for (std::size_t i = 0; i < live.size(); ++i) live[i].name = fmt::format("live {}", i);
        // Names tell one policy's buckets from another's.
        for (Rule& one : live) one.name += fmt::format(" of {}", number);
        for (Rule& one : policy.rules) one.name += fmt::format(" of {}", number);
        add_rates(live, front_);
        add_rates(policy.rules, world_);
        const policy::Context context = is_large
                                            ? generate::generate_context(policy, 1, engine::monotonic_now())
                                            : generate::small_context(policy.sets);
        aim_at_ = is_large ? policy.rules : std::vector<Rule>();
        judge_.set_live(live);
        const Status loaded = judge_.load(policy, context);
        ASSERT_TRUE(loaded) << loaded.error().message;
        all_ = policy::effective_rules(policy, live);
        counters_.clear();
        buckets_.now = kStart;
        for (int i = 0; i < kPackets * static_cast<int>(kAttachments.size()); ++i) {
            step(kAttachments[world_.below(kAttachments.size())], context);
            if (::testing::Test::HasFatalFailure()) return;
        }
        ASSERT_EQ(judge_.counters().value(), counters_) << listing();
    }

    int rated() const { return rated_; }
    int logged() const { return logged_; }

private:
    void step(const Attachment& attachment, const policy::Context& context) {
        if (world_.chance(2)) buckets_.now += world_.below(world_.chance(4) ? 20 * kSecond : kSecond / 20);
        judge_.set_clock(buckets_.now);
        PacketView packet =
            aim_at_.empty() ? world_.packet() : generate::aimed_packet(aim_at_, context, random_);
        packet.length = std::min(packet.length, 1500U);
        packet.direction = attachment.direction;
        packet.interfaces = {attachment.name, attachment.device};
        if (attachment.link == FW_LINK_IP)
            packet.mac.reset();
        else if (!packet.mac)
            packet.mac = 1;
        packet.now = engine::monotonic_now();
        const Frame frame = frame_of(packet);
        const policy::Verdict expected = policy::evaluate(all_, frame.view, context, &buckets_);
        const auto actual = judge_.judge(attachment, frame.bytes, frame.view.state);
        ASSERT_TRUE(actual) << actual.error().message;
        const auto name = expected.rule ? std::optional(all_[*expected.rule].name) : std::nullopt;
        ASSERT_EQ(actual->rule, name) << listing();
        for (const std::size_t index : expected.counted) ++counters_[all_[index].name];
        if (name) ++counters_[*name];
        rated_ += expected.rule && all_[*expected.rule].rate ? 1 : 0;
        check_logs(expected.counted);
    }

    // Each rule that logs is told once, in their order, and by chance where it asks for a sample.
    void check_logs(const std::vector<std::size_t>& counted) {
        std::vector<std::string> told;
        ASSERT_TRUE(
            listener_.read(std::chrono::milliseconds(0), [&](const fw_event& event, const kernel::Frame&) {
                EXPECT_EQ(event.reason, FW_RULE_LOGGED);
                EXPECT_EQ(std::memcmp(&event.packet, &judge_.last().packet, sizeof(fw_packet)), 0);
                told.push_back(judge_.rule_name(event.rule));
                return true;
            }));
        auto next = told.begin();
        for (const std::size_t index : counted) {
            if (all_[index].action != policy::Action::kLog) continue;
            const bool is_told = next != told.end() && *next == all_[index].name;
            next += is_told ? 1 : 0;
            if (all_[index].sample == 1) {
                ASSERT_TRUE(is_told) << all_[index].name << listing();
                ++logged_;
            }
        }
        ASSERT_EQ(next, told.end()) << *next << listing();
    }

    std::string listing() const {
        std::string text;
        for (const Rule& one : all_) text += fmt::format("\n  {}: {}", one.name, policy::describe(one));
        return text;
    }

    ProgramJudge& judge_;
    generate::SmallWorld world_;
    generate::SmallWorld front_;
    std::vector<Rule> all_;
    std::vector<Rule> aim_at_;  // where packets of the small world would meet few rules
    generate::Random random_;
    policy::Buckets buckets_;
    std::map<std::string, std::uint64_t> counters_;
    int rated_ = 0;
    int logged_ = 0;
    engine::Listener listener_;
};

TEST(RateOracleTest, AgreesPacketByPacket) {
    auto judge = ProgramJudge::make(true);
    ASSERT_TRUE(judge) << judge.error().message;
    Walk walk(**judge, static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed)));
    for (int i = 0; i < kPolicies; ++i) {
        SCOPED_TRACE(fmt::format("seed {}, policy {}", GTEST_FLAG_GET(random_seed), i));
        walk.run(i);
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(walk.rated(), rounds(40 * kPackets / 5)) << "rates hardly decide";
    EXPECT_GT(walk.logged(), rounds(1000)) << "hardly any rule logs";
}

}  // namespace
}  // namespace fwctl::testing
