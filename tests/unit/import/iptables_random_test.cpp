#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "import/import.h"
#include "iptables_oracle.h"
#include "policy/evaluate.h"
#include "read_back.h"

namespace fwctl::importer {
namespace {

OracleResult judge(const policy::Policy& policy, const policy::PacketView& packet,
                   const policy::Context& sets) {
    const policy::Verdict verdict = policy::evaluate(policy.rules, packet, sets);
    const policy::Action action = verdict.rule ? policy.rules[*verdict.rule].action : policy.defaults.in;
    return {action == policy::Action::kAllow ? OracleVerdict::kAccept : OracleVerdict::kDrop,
            static_cast<int>(verdict.counted.size())};
}

policy::Context sets_of(const IptablesOracle& oracle) {
    policy::Context sets;
    sets.members["one"] = {{oracle.set_member()}};
    return sets;
}

class RandomIptables : public testing::TestWithParam<policy::Family> {};

TEST_P(RandomIptables, HaveTheSameVerdictsAndReportsWhenTranslated) {
    constexpr unsigned kRulesets = 600;
    int whole = 0;
    for (unsigned seed = 0; seed < kRulesets; ++seed) {
        IptablesOracle oracle(seed, GetParam(), false);
        const Imported imported = import_iptables(oracle.text(), "rules", {}).value();
        const policy::Policy policy = read_back(imported.toml);
        if (imported.left_out != 0) {
            continue;
        }
        ++whole;
        for (int i = 0; i < 60; ++i) {
            const policy::PacketView packet = oracle.packet();
            ASSERT_EQ(judge(policy, packet, sets_of(oracle)), oracle.judge(packet))
                << "seed " << seed << ", packet " << i << "\n"
                << oracle.text() << imported.toml;
        }
    }
    EXPECT_GT(whole, kRulesets / 2);
}

// What is left out may change verdicts, but never without a warning that says in which way.
TEST_P(RandomIptables, NeverOpenOrCloseMoreSilently) {
    int opened = 0;
    int closed = 0;
    int by_state = 0;  // because of a NOTRACK that is left out
    for (unsigned seed = 0; seed < 600; ++seed) {
        IptablesOracle oracle(seed, GetParam(), true);
        const Imported imported = import_iptables(oracle.text(), "rules", {}).value();
        const policy::Policy policy = read_back(imported.toml);
        const bool warns_open = imported.toml.find("WARNING: this policy opens more") != std::string::npos;
        const bool warns_close = imported.toml.find("WARNING: this policy closes more") != std::string::npos;
        const bool warns_of_states = imported.toml.find(
                                         "WARNING: these exempt packets from being "
                                         "followed") != std::string::npos;
        EXPECT_TRUE(imported.left_out != 0 || (!warns_open && !warns_close && !warns_of_states))
            << imported.toml;
        for (int i = 0; i < 40; ++i) {
            const policy::PacketView packet = oracle.packet();
            const OracleVerdict mine = judge(policy, packet, sets_of(oracle)).verdict;
            bool is_exempt = false;
            if (mine == oracle.judge(packet, &is_exempt).verdict) {
                continue;
            }
            const bool opens = mine == OracleVerdict::kAccept;
            const bool is_told = opens ? warns_open : warns_close;
            ++(opens ? opened : closed);
            by_state += is_told ? 0 : 1;
            ASSERT_TRUE(is_told || (is_exempt && warns_of_states))
                << "seed " << seed << ", packet " << i << "\n"
                << oracle.text() << imported.toml;
        }
    }
    EXPECT_GT(opened, 0);
    EXPECT_GT(closed, 0);
    EXPECT_GT(by_state, 0);
}

INSTANTIATE_TEST_SUITE_P(Families, RandomIptables,
                         testing::Values(policy::Family::kIpv4, policy::Family::kIpv6),
                         [](const auto& family) {
                             return family.param == policy::Family::kIpv4 ? "Ipv4" : "Ipv6";
                         });

}  // namespace
}  // namespace fwctl::importer
