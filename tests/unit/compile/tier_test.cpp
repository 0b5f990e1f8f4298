#include "compile/tier.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "generate/packets.h"
#include "generate/policy.h"
#include "policy/print.h"
#include "tier_reader.h"

namespace fwctl::compile {
namespace {

using policy::PacketView;
using policy::Policy;

struct Compiled {
    TierImage image;
    std::vector<std::string> dynamic_sets;
};

Result<Compiled> compiled(const Policy& policy) {
    Compiled result;
    std::map<std::string, std::uint32_t> numbers;
    for (const policy::Set& set : policy.sets) {
        if (!set.dynamic) continue;
        numbers[set.name] = static_cast<std::uint32_t>(result.dynamic_sets.size());
        result.dynamic_sets.push_back(set.name);
    }
    std::vector<std::uint32_t> counters(policy.rules.size());
    std::iota(counters.begin(), counters.end(), 0U);
    SetBlocks sets(policy.sets);
    auto image = compile_tier({policy.rules, counters, 1000, &numbers}, sets);
    if (!image) return tl::unexpected(image.error());
    result.image = std::move(*image);
    return result;
}

class TierTest : public ::testing::TestWithParam<std::pair<generate::Mix, std::size_t>> {};

// The rows that a reader finds decide as the slow evaluator does.
TEST_P(TierTest, HasTheRuleThatTheEvaluatorFinds) {
    const auto [mix, size] = GetParam();
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        const Policy policy = generate::generate_policy(mix, size, seed);
        const auto context = generate::generate_context(policy, seed, 1'000'000);
        const auto result = compiled(policy);
        ASSERT_TRUE(result) << result.error().message;
        generate::Random random(seed);
        for (int i = 0; i < 2000; ++i) {
            PacketView packet = generate::aimed_packet(policy.rules, context, random);
            packet.now = 1'000'000;
            const policy::Verdict expected = policy::evaluate(policy.rules, packet, context);
            const TierReader reader(result->image, packet, context, result->dynamic_sets);
            const auto rows = reader.deciding();
            ASSERT_EQ(rows.empty() ? std::nullopt : std::optional<std::size_t>(rows.front().rule),
                      expected.rule)
                << "seed " << seed << ", packet " << i
                << (expected.rule ? policy::describe(policy.rules[*expected.rule]) : "");
            std::vector<std::size_t> counted;
            for (const fw_row& row : reader.counting())
                if ((rows.empty() || row.priority < rows.front().priority) &&
                    (counted.empty() || counted.back() != row.rule))
                    counted.push_back(row.rule);
            ASSERT_EQ(counted, expected.counted) << "seed " << seed << ", packet " << i;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Mixes, TierTest,
                         ::testing::Values(std::pair{generate::Mix::kAcl, std::size_t{10}},
                                           std::pair{generate::Mix::kAcl, std::size_t{300}},
                                           std::pair{generate::Mix::kFirewall, std::size_t{40}},
                                           std::pair{generate::Mix::kFirewall, std::size_t{300}},
                                           std::pair{generate::Mix::kWildcard, std::size_t{100}},
                                           std::pair{generate::Mix::kWildcard, std::size_t{300}}));

TEST(TierTest, IsDeterministic) {
    const Policy policy = generate::generate_policy(generate::Mix::kAcl, 500, 3);
    const auto one = compiled(policy);
    const auto other = compiled(policy);
    ASSERT_TRUE(one && other);
    const auto words = one->image.bank.words();
    EXPECT_TRUE(std::equal(words.begin(), words.end(), other->image.bank.words().begin(),
                           other->image.bank.words().end()));
}

}  // namespace
}  // namespace fwctl::compile
