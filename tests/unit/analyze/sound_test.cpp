// What the analysis says beside packets, in policies with the whole vocabulary: it has to hold, whatever is
// missed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyze/analyze.h"
#include "generate/packets.h"
#include "generate/policy.h"
#include "generate/small_world.h"
#include "policy/builtin.h"
#include "policy/evaluate.h"

namespace fwctl::analyze {
namespace {

using namespace policy;
using Kind = Finding::Kind;

// The rules that Finding::index counts.
std::vector<Rule> asked_rules(const Policy& policy) {
    std::vector<Rule> rules = effective_rules(policy, {});
    rules.erase(std::remove_if(rules.begin(), rules.end(),
                               [](const Rule& rule) { return judged_by_parser(rule).has_value(); }),
                rules.end());
    return rules;
}

bool is_never(const Finding& finding) {
    return finding.kind == Kind::kNeverMatches;
}

// What is done to a packet, and who counts it, by name.
struct Fate {
    Action action = Action::kAllow;
    RejectWith reject_with = RejectWith::kAuto;
    std::optional<Redirect> redirect;
    std::vector<std::string> counted;
    bool operator==(const Fate&) const = default;
};

Fate fate_of(const std::vector<Rule>& rules, const Defaults& defaults, const PacketView& packet,
             const Context& context) {
    const Verdict verdict = evaluate(rules, packet, context);
    Fate fate;
    fate.action = packet.direction == Direction::kIn ? defaults.in : defaults.out;
    if (verdict.rule) {
        const Rule& rule = rules[*verdict.rule];
        fate = {rule.action, rule.reject_with, rule.redirect, {}};
    }
    for (const std::size_t rule : verdict.counted) {
        fate.counted.push_back(rules[rule].name);
    }
    return fate;
}

// Whether the packet fares the same without the rule, and is not counted or decided by one that never is.
void expect_true(const Finding& finding, const std::vector<Rule>& rules, const Policy& policy,
                 const PacketView& packet, const Context& context) {
    if (is_never(finding)) {
        const Verdict verdict = evaluate(rules, packet, context);
        ASSERT_NE(verdict.rule, finding.index) << finding.message;
        ASSERT_EQ(std::count(verdict.counted.begin(), verdict.counted.end(), finding.index), 0)
            << finding.message;
        return;
    }
    std::vector<Rule> without = rules;
    without[finding.index].expires = 1;  // over
    PacketView later = packet;
    later.now = std::max<std::uint64_t>(packet.now, 1);
    ASSERT_EQ(fate_of(without, policy.defaults, later, context),
              fate_of(rules, policy.defaults, later, context))
        << finding.message;
}

std::vector<Finding> of_rules(std::vector<Finding> findings) {
    findings.erase(std::remove_if(findings.begin(), findings.end(),
                                  [](const Finding& finding) {
                                      return !is_never(finding) && finding.kind != Kind::kChangesNothing;
                                  }),
                   findings.end());
    return findings;
}

TEST(AnalyzeSoundly, InSmallWorlds) {
    std::size_t said = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        generate::SmallWorld world(seed);
        const Policy policy = world.policy();
        const Context context = generate::small_context(policy.sets);
        const std::vector<Rule> rules = asked_rules(policy);
        const auto findings = of_rules(analyze(policy));
        for (int i = 0; i < 500; ++i) {
            const PacketView packet = world.packet();
            for (const Finding& finding : findings) {
                ++said;
                ASSERT_NO_FATAL_FAILURE(expect_true(finding, rules, policy, packet, context)) << seed;
            }
        }
    }
    EXPECT_GT(said, 100000U);
}

// Thousands of packets at the edges of each rule of which something is said.
TEST(AnalyzeSoundly, InGeneratedPolicies) {
    constexpr std::size_t kPackets = 2000;
    std::size_t said = 0;
    for (const generate::Mix mix :
         {generate::Mix::kAcl, generate::Mix::kFirewall, generate::Mix::kWildcard}) {
        Policy policy = generate::generate_policy(mix, 150, 1);
        policy.defaults.in = Action::kDeny;
        const Context context = generate::generate_context(policy, 1, 100);
        const std::vector<Rule> rules = asked_rules(policy);
        generate::Random random(1);
        for (const Finding& finding : of_rules(analyze(policy))) {
            ++said;
            const std::vector<Rule> target = {rules[finding.index]};
            for (std::size_t i = 0; i < kPackets; ++i) {
                PacketView packet = generate::aimed_packet(target, context, random);
                packet.now = 100;
                ASSERT_NO_FATAL_FAILURE(expect_true(finding, rules, policy, packet, context));
            }
        }
    }
    EXPECT_GT(said, 30U);
}

// A rule that the analysis holds against another one is needed for it: nothing is said without it.
TEST(AnalyzeSoundly, NamesOnlyRulesThatAreNeeded) {
    std::size_t named = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        generate::SmallWorld world(seed);
        Policy policy = world.policy();
        for (const Rule& rule : builtin_rules()) {
            policy.disabled_builtins.push_back(rule.name);
        }
        std::sort(policy.disabled_builtins.begin(), policy.disabled_builtins.end());
        const std::size_t first = asked_rules(policy).size() - policy.rules.size();
        for (const Finding& finding : of_rules(analyze(policy))) {
            if (finding.kind != Kind::kNeverMatches || finding.others.empty() ||
                finding.others.front() < first) {
                continue;
            }
            Policy alone = policy;
            alone.rules.clear();
            for (const std::size_t other : finding.others) {
                alone.rules.push_back(policy.rules[other - first]);
            }
            alone.rules.push_back(policy.rules[finding.index - first]);
            for (std::size_t left_out = 0; left_out < finding.others.size() + 1; ++left_out) {
                Policy rest = alone;
                if (left_out < finding.others.size()) {
                    rest.rules.erase(rest.rules.begin() + static_cast<std::ptrdiff_t>(left_out));
                }
                const auto findings = analyze(rest);
                const bool is_still_said =
                    std::any_of(findings.begin(), findings.end(), [&](const Finding& again) {
                        return is_never(again) && again.index == first + rest.rules.size() - 1;
                    });
                ASSERT_EQ(is_still_said, left_out == finding.others.size()) << finding.message;
            }
            ++named;
        }
    }
    EXPECT_GT(named, 20U);
}

}  // namespace
}  // namespace fwctl::analyze
