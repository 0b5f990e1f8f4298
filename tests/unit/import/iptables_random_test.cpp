#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "import/flatten.h"
#include "import/import.h"
#include "import/iptables.h"
#include "iptables_oracle.h"
#include "policy/evaluate.h"

namespace fwctl::importer {
namespace {

struct Translated {
    std::vector<policy::Rule> rules;
    bool denies = false;  // by default
    std::size_t left_out = 0;
};

Translated translate(const std::string& text) {
    const auto read = read_iptables_ruleset(text, "rules", {});
    const Flat flat = flatten(read.value().ruleset).value();
    Translated translated{{}, flat.in == policy::Action::kDeny, flat.left_out};
    for (const Entry& entry : flat.entries) {
        if (entry.rule) {
            translated.rules.push_back(*entry.rule);
        }
    }
    return translated;
}

OracleResult judge(const Translated& policy, const policy::PacketView& packet, const policy::Context& sets) {
    const policy::Verdict verdict = policy::evaluate(policy.rules, packet, sets);
    const bool denies =
        verdict.rule ? policy.rules[*verdict.rule].action != policy::Action::kAllow : policy.denies;
    return {denies ? OracleVerdict::kDrop : OracleVerdict::kAccept, static_cast<int>(verdict.counted.size())};
}

class RandomIptables : public testing::TestWithParam<policy::Family> {};

TEST_P(RandomIptables, HaveTheSameVerdictsAndReportsWhenTranslated) {
    constexpr int kRulesets = 2000;
    constexpr int kPackets = 60;
    int whole = 0;
    for (unsigned seed = 0; seed < kRulesets; ++seed) {
        IptablesOracle oracle(seed, GetParam(), false);
        const Translated policy = translate(oracle.text());
        if (policy.left_out != 0) {
            continue;
        }
        ++whole;
        policy::Context sets;
        sets.members["one"] = {{oracle.set_member()}};
        for (int i = 0; i < kPackets; ++i) {
            const policy::PacketView packet = oracle.packet();
            const OracleResult mine = judge(policy, packet, sets);
            const OracleResult original = oracle.judge(packet);
            ASSERT_EQ(mine.verdict, original.verdict) << "seed " << seed << " packet " << i << "\n"
                                                      << oracle.text();
            ASSERT_EQ(mine.logged, original.logged) << "seed " << seed << " packet " << i << "\n"
                                                    << oracle.text();
        }
    }
    EXPECT_GT(whole, kRulesets / 2);
}

// What is left out may change verdicts, but never without a warning that says in which way.
TEST_P(RandomIptables, NeverOpenOrCloseMoreSilently) {
    constexpr int kRulesets = 2000;
    constexpr int kPackets = 40;
    int opened = 0;
    int closed = 0;
    for (unsigned seed = 0; seed < kRulesets; ++seed) {
        IptablesOracle oracle(seed, GetParam(), true);
        const std::string text = oracle.text();
        const Translated policy = translate(text);
        const std::string toml = import_iptables(text, "rules", {}).value().toml;
        const bool warns_open = toml.find("WARNING: this policy opens more") != std::string::npos;
        const bool warns_close = toml.find("WARNING: this policy closes more") != std::string::npos;
        EXPECT_TRUE(policy.left_out != 0 || (!warns_open && !warns_close)) << toml;
        policy::Context sets;
        sets.members["one"] = {{oracle.set_member()}};
        for (int i = 0; i < kPackets; ++i) {
            const policy::PacketView packet = oracle.packet();
            const OracleVerdict mine = judge(policy, packet, sets).verdict;
            const OracleVerdict original = oracle.judge(packet).verdict;
            if (mine == original) {
                continue;
            }
            const bool opens = mine == OracleVerdict::kAccept;
            ++(opens ? opened : closed);
            ASSERT_TRUE(opens ? warns_open : warns_close) << "seed " << seed << " packet " << i << "\n"
                                                          << text << toml;
        }
    }
    EXPECT_GT(opened, 0);
    EXPECT_GT(closed, 0);
}

INSTANTIATE_TEST_SUITE_P(Families, RandomIptables,
                         testing::Values(policy::Family::kIpv4, policy::Family::kIpv6),
                         [](const auto& family) {
                             return family.param == policy::Family::kIpv4 ? "Ipv4" : "Ipv6";
                         });

}  // namespace
}  // namespace fwctl::importer
