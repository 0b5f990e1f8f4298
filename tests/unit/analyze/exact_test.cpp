// The analysis beside brute force: policies so small that all packets can be tried.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "analyze/analyze.h"
#include "policy/evaluate.h"
#include "policy/print.h"
#include "tiny_world.h"

namespace fwctl::analyze {
namespace {

struct Expected {
    std::set<std::size_t> never;
    std::set<std::size_t> nothing;
};

// A verdict by what it does, whichever rule gives it.
Action done_by(const Verdict& verdict, const Policy& policy, const PacketView& packet) {
    if (verdict.rule) {
        return policy.rules[*verdict.rule].action;
    }
    return packet.direction == Direction::kIn ? policy.defaults.in : policy.defaults.out;
}

Expected try_all(const Policy& policy, const std::vector<PacketView>& packets,
                 const std::vector<Context>& contexts) {
    std::set<std::size_t> matching;
    std::set<std::size_t> needed;
    for (const Context& context : contexts) {
        for (const PacketView& packet : packets) {
            const Verdict verdict = evaluate(policy.rules, packet, context);
            matching.insert(verdict.counted.begin(), verdict.counted.end());
            if (!verdict.rule) {
                continue;
            }
            matching.insert(*verdict.rule);
            if (needed.count(*verdict.rule) != 0) {
                continue;
            }
            Policy without = policy;
            without.rules[*verdict.rule].expires = 1;  // over
            PacketView later = packet;
            later.now = 2;
            const Verdict other = evaluate(without.rules, later, context);
            if (other.counted != verdict.counted ||
                done_by(other, policy, packet) != done_by(verdict, policy, packet)) {
                needed.insert(*verdict.rule);
            }
        }
    }
    Expected expected;
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        if (matching.count(i) == 0) {
            expected.never.insert(i);
        } else if (needed.count(i) == 0 && !goes_on(policy.rules[i].action)) {
            expected.nothing.insert(i);
        }
    }
    return expected;
}

Expected found_by_analysis(const Policy& policy) {
    Expected found;
    for (const Finding& finding : analyze(policy)) {
        switch (finding.kind) {
            case Finding::Kind::kNeverMatches:
                EXPECT_TRUE(found.never.insert(finding.index).second);
                break;
            case Finding::Kind::kChangesNothing:
                EXPECT_TRUE(found.nothing.insert(finding.index).second);
                break;
            case Finding::Kind::kCutShort:
                ADD_FAILURE() << finding.message;
                break;
            default:
                break;
        }
    }
    return found;
}

// The dynamic set holds nobody or everybody.
std::vector<Context> contexts_of(const Policy& policy, bool is_dynamic) {
    Context nobody;
    nobody.sets = &policy.sets;
    if (!is_dynamic) {
        return {nobody};
    }
    Context everybody = nobody;
    everybody.members["banned"] = {{{Family::kIpv4, 0, {}}, 0}, {{Family::kIpv6, 0, {}}, 0}};
    return {nobody, everybody};
}

TEST(AnalyzeExactly, FindsWhatTryingAllPacketsFinds) {
    constexpr std::size_t kCases = 400;  // 12,000 were tried once
    std::size_t never = 0;
    std::size_t nothing = 0;
    for (std::uint64_t seed = 0; seed < kCases; ++seed) {
        TinyWorld world(seed);
        const Policy policy = world.policy();
        const Expected expected =
            try_all(policy, world.packets(policy), contexts_of(policy, world.has(kDynamic)));
        const Expected found = found_by_analysis(policy);
        ASSERT_EQ(found.never, expected.never) << "seed " << seed << "\n" << print_policy(policy);
        ASSERT_EQ(found.nothing, expected.nothing) << "seed " << seed << "\n" << print_policy(policy);
        never += expected.never.size();
        nothing += expected.nothing.size();
    }
    EXPECT_GT(never, kCases / 2);
    EXPECT_GT(nothing, kCases / 4);
}

}  // namespace
}  // namespace fwctl::analyze
