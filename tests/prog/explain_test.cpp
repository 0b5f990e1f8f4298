// What explain says: against the evaluator, and without a trace of the question.
#include "engine/explain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <span>

#include "engine/frame.h"
#include "engine/hooks.h"
#include "engine/why_not.h"
#include "generate/packets.h"
#include "generate/policy.h"
#include "kernel/bpffs.h"
#include "policy/builtin.h"
#include "policy/parse.h"
#include "policy/prefix.h"
#include "policy/schema.h"
#include "policy/service.h"
#include "program_runner.h"
#include "rounds.h"

namespace fwctl::testing {
namespace {

using engine::Explainer;
using engine::Explanation;
using policy::PacketView;
using policy::Policy;
using policy::Rule;

const int kPacketsPerPolicy = rounds(400);
constexpr std::size_t kLongestAtTc = 3600;

PacketView asked_view(const PacketView& made, const engine::Attachment& attachment) {
    PacketView view = made;
    if (!view.mac) view.mac = engine::kDefaultMac;
    view.interfaces = attachment.names();
    view.now = engine::monotonic_now();
    return view;
}

std::string_view expected_verdict(const Policy& policy, const std::vector<Rule>& rules,
                                  const policy::Verdict& verdict, policy::Direction direction) {
    if (verdict.rule) return policy::action_name(rules[*verdict.rule].action);
    return policy::action_name(direction == policy::Direction::kIn ? policy.defaults.in
                                                                   : policy.defaults.out);
}

// Every rule that is said to have been looked at: that it does not match is so, and said.
void expect_true_words(const Explanation& explanation, const PacketView& view,
                       const policy::Context& context) {
    for (const engine::LookedAt& one : explanation.looked_at) {
        const bool matches = policy::matches(one.rule->rule, view, context);
        EXPECT_EQ(matches, one.why_not.empty()) << one.rule->rule.name << ": " << one.why_not;
        EXPECT_EQ(matches, policy::goes_on(one.rule->rule.action) && matches) << one.rule->rule.name;
        EXPECT_NE(one.why_not, "it matches");
    }
}

void expect_sets(const Explanation& explanation, const Policy& policy, const PacketView& view) {
    std::map<std::pair<std::string, fw_side>, policy::Prefix> said;
    for (const engine::SetMatch& match : explanation.sets) said[{match.set, match.side}] = match.prefix;
    for (const policy::Set& set : policy.sets) {
        for (const fw_side side : {FW_SOURCE, FW_DESTINATION}) {
            const auto& address = side == FW_SOURCE ? view.source : view.destination;
            const auto holds = std::find_if(set.elements.begin(), set.elements.end(), [&](const auto& block) {
                return view.family && policy::contains(block, *view.family, address);
            });
            const auto match = said.find({set.name, side});
            ASSERT_EQ(match != said.end(), holds != set.elements.end()) << set.name;
            if (match != said.end()) {
                ASSERT_EQ(match->second, *holds);
            }
        }
    }
}

TEST(ExplainTest, AgreesWithTheEvaluator) {
    std::map<std::string_view, int> verdicts;
    int by_file = 0;
    constexpr std::array kMixes = {generate::Mix::kFirewall, generate::Mix::kAcl, generate::Mix::kWildcard};
    for (const auto mix : std::span(kMixes).first(static_cast<std::size_t>(rounds(3)))) {
        for (const std::size_t size : {5U, 60U, 1500U}) {
            const Policy policy = generate::generate_policy(mix, size, size);
            const auto rules = policy::effective_rules(policy, {});
            const policy::Context context{&policy.sets, {}};  // dynamic sets are empty
            std::vector<std::string> interfaces;
            for (const policy::Attach& attach : policy.attachments) interfaces.push_back(attach.name);
            if (interfaces.empty()) interfaces.push_back("eth0");
            auto explainer = Explainer::of_policy(policy, interfaces);
            ASSERT_TRUE(explainer) << explainer.error().message;
            generate::Random random(size);
            for (int i = 0; i < kPacketsPerPolicy; ++i) {
                policy::PacketText text{generate::aimed_packet(policy.rules, context, random), {}};
                if (text.packet.length > kLongestAtTc) continue;
                text.place.interface = random.pick(interfaces);
                text.place.direction = text.packet.direction;
                const auto attachment = explainer->find(text.place.interface);
                ASSERT_TRUE(attachment) << attachment.error().message;
                const fw_direction direction =
                    text.place.direction == policy::Direction::kOut ? FW_OUT : FW_IN;
                if (engine::hook_for(**attachment, direction) == 0) continue;
                const PacketView view = asked_view(text.packet, **attachment);
                const auto expected = policy::evaluate(rules, view, context);
                const auto explanation = explainer->explain(text);
                ASSERT_TRUE(explanation) << explanation.error().message;
                const auto* rule = explanation->judgement.rule;
                const std::string words = policy::format_packet(text);
                ASSERT_EQ(rule == nullptr ? "" : rule->rule.name,
                          expected.rule ? rules[*expected.rule].name : "")
                    << words;
                ASSERT_EQ(explanation->judgement.verdict,
                          expected_verdict(policy, rules, expected, view.direction))
                    << words;
                expect_true_words(*explanation, view, context);
                expect_sets(*explanation, policy, view);
                if (HasFailure()) FAIL() << words;
                ++verdicts[explanation->judgement.verdict];
                by_file += rule != nullptr && rule->rule.origin == policy::Origin::kFile ? 1 : 0;
            }
        }
    }
    EXPECT_GT(by_file, rounds(1000) * rounds(3) / 3);
    EXPECT_GE(verdicts.size(), 3U);
}

Rule live_rule(const char* name, const char* service, policy::Action action) {
    Rule rule;
    rule.name = name;
    rule.services = {policy::parse_service(service).value()};
    rule.action = action;
    return rule;
}

std::uint64_t packets_counted(const engine::Store& store, const engine::State& state) {
    std::uint64_t sum = 0;
    std::vector<std::uint32_t> counters;
    for (const engine::CountedRule& counted : state.front_rules()) counters.push_back(counted.counter);
    const auto counts_of_rules = store.rule_counts(counters);
    for (const fw_rule_count& count : *counts_of_rules) sum += count.packets;
    for (const fw_direction direction : {FW_IN, FW_OUT}) {
        const fw_counters counts = store.counters(state.attachments.front().slot, direction).value();
        for (const fw_count& count : counts.by_reason) sum += count.packets;
    }
    return sum;
}

std::vector<std::string> all_pins() {
    std::vector<std::string> pins;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kernel::kBpffs))
        pins.push_back(entry.path());
    std::sort(pins.begin(), pins.end());
    return pins;
}

TEST(ExplainTest, AsksTheHalfThatHoldsAndTheOneThatWill) {
    auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET);
    ASSERT_TRUE(runner) << runner.error().message;
    ASSERT_TRUE(runner->set_rules({live_rule("no-web", "tcp/80", policy::Action::kDeny)}));
    engine::State now = runner->state();
    now.attachments.front().record.hooks = FW_HOOK_XDP | FW_HOOK_TC_OUT;
    engine::State next = now;
    next.live = {{live_rule("no-dns", "udp/53", policy::Action::kDeny), engine::kNoCounter}};
    ASSERT_TRUE(runner->store().prepare(next));
    const std::uint32_t coming = runner->store().next_half();
    const auto pins = all_pins();

    const auto verdicts = [&](const engine::State& state, std::uint32_t half) {
        auto explainer = Explainer::of_half(runner->store(), state, half, {});
        EXPECT_TRUE(explainer) << explainer.error().message;
        std::vector<std::string_view> said;
        for (const char* words : {"tcp 192.0.2.1 > 192.0.2.2:80", "udp 192.0.2.1 > 192.0.2.2:53",
                                  "udp 192.0.2.1 > 192.0.2.2:53 on eth0 out"})
            said.push_back(explainer->explain(policy::parse_packet(words).value())->judgement.verdict);
        return said;
    };
    EXPECT_EQ(verdicts(now, coming ^ 1U), (std::vector<std::string_view>{"deny", "allow", "allow"}));
    EXPECT_EQ(verdicts(next, coming), (std::vector<std::string_view>{"allow", "deny", "deny"}));
    EXPECT_EQ(packets_counted(runner->store(), now), 0U);
    EXPECT_EQ(packets_counted(runner->store(), next), 0U);
    EXPECT_EQ(all_pins(), pins);
}

Policy policy_of(const char* text) {
    auto parsed = policy::parse_policy(text, "policy.toml");
    if (!parsed) ADD_FAILURE() << parsed.error().render();
    return parsed ? std::move(*parsed) : Policy{};
}

TEST(ExplainTest, NamesRulesPlacesAndSets) {
    const Policy policy = policy_of(R"(version = 1
[set.admins]
elements = ["192.0.2.0/24"]
[set.banned]
dynamic = true
[[rule]]
name = "count all"
action = "count"
[[rule]]
name = "banned"
from = "@banned"
action = "deny"
[[rule]]
name = "slow"
service = "tcp/22"
ttl = "0-9"
action = "deny"
[[rule]]
name = "admins"
service = "tcp/22"
from = "@admins"
action = "allow"
)");
    const auto pins = all_pins();
    auto explainer = Explainer::of_policy(policy, {"eth0"});
    ASSERT_TRUE(explainer) << explainer.error().message;
    const auto explanation =
        explainer->explain(policy::parse_packet("tcp 192.0.2.9 > 198.51.100.1:22 on eth0").value());
    ASSERT_TRUE(explanation) << explanation.error().message;
    EXPECT_EQ(explanation->judgement.verdict, "allow");
    EXPECT_EQ(explanation->judgement.reason->name, "rule-allow");
    ASSERT_NE(explanation->judgement.rule, nullptr);
    EXPECT_EQ(explanation->judgement.rule->rule.name, "admins");
    EXPECT_EQ(explanation->judgement.rule->place, "policy.toml:18");
    EXPECT_EQ(policy::format_packet(explanation->packet),
              "tcp 192.0.2.9:40000 > 198.51.100.1:22 syn on eth0");
    std::map<std::string, std::string> why_not;
    for (const engine::LookedAt& one : explanation->looked_at) why_not[one.rule->rule.name] = one.why_not;
    EXPECT_EQ(why_not.at("count all"), "");
    EXPECT_EQ(why_not.at("banned"), "it is from @banned, the packet from 192.0.2.9");
    EXPECT_EQ(why_not.at("slow"), "its ttl is 0-9, the packet has 64");
    ASSERT_EQ(explanation->sets.size(), 1U);
    EXPECT_EQ(explanation->sets.front().set, "admins");
    EXPECT_EQ(explanation->sets.front().side, FW_SOURCE);
    EXPECT_EQ(policy::format_prefix(explanation->sets.front().prefix), "192.0.2.0/24");
    EXPECT_EQ(all_pins(), pins);
}

TEST(ExplainTest, SaysWhichAttachmentsThereAre) {
    Policy policy = policy_of(
        "version = 1\n[attach.wan]\ndevice = \"eth0\"\nhooks = [\"xdp\"]\n"
        "[attach.veths]\ndevice = \"veth*\"\nmode = \"tc\"\n");
    auto explainer = Explainer::of_policy(policy, {"veth7", "eth9"});
    ASSERT_TRUE(explainer) << explainer.error().message;
    const auto problem = [&](const char* words) {
        const auto explained = explainer->explain(policy::parse_packet(words).value());
        return explained ? "none" : explained.error().message;
    };
    EXPECT_EQ(problem("arp"), "on which interface? there are: veths, wan (eth0), veths (veth7)");
    EXPECT_EQ(problem("arp on eth9"),
              "\"eth9\" is not attached; there are: veths, wan (eth0), veths (veth7)");
    EXPECT_EQ(problem("arp on wan out"), "eth0 is not filtered for what goes out: its hooks are xdp");
    EXPECT_EQ(problem("arp on eth0"), "none");
    EXPECT_EQ(problem("arp on veth7 out"), "none");
    EXPECT_EQ(problem("arp on veths"), "none");

    auto bare = Explainer::of_policy(Policy{}, {});
    ASSERT_TRUE(bare) << bare.error().message;
    EXPECT_EQ(bare->find("").error().message,
              "the policy attaches nothing: say on which interface, as in: on eth0");
}

}  // namespace
}  // namespace fwctl::testing
