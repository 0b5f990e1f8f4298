#include "observe/ranking.h"

#include <gtest/gtest.h>

namespace fwctl::observe {
namespace {

struct RankingTest : testing::Test {
    void SetUp() override {
        NamedRules rules;
        for (const char* name : {"small", "Big", "never", "old"}) {
            NamedRule rule;
            rule.name = name;
            rule.says = "deny udp/9";
            rules.push_back(rule);
        }
        counts.rules = std::make_shared<NamedRules>(rules);
        counts.rule_counts = {{50, 500, 0}, {60, 90, 0}, {0, 0, 0}, {70, 70, 0}};
        counts.rule_bases = {{0, 0}, {10, 10}, {0, 0}, {0, 0}};
        rates.rules = {{1, 400}, {20, 30}, {0, 0}, {0, 0}};
    }
    std::vector<std::string> names(SortBy by, const std::string& filter = "") const {
        std::vector<std::string> all;
        for (const Row& row : make_ranking(View::kRules, counts, rates, {}, by, filter).rows)
            all.push_back(row.name);
        return all;
    }
    Counts counts;
    Rates rates;
    TalkerRates talkers;
};

using Names = std::vector<std::string>;

TEST_F(RankingTest, BiggestFirst) {
    EXPECT_EQ(names(SortBy::kPackets), (Names{"Big", "small", "old"}));
    EXPECT_EQ(names(SortBy::kBytes), (Names{"small", "Big", "old"}));
    EXPECT_EQ(names(SortBy::kTotal), (Names{"old", "Big", "small"}));
    EXPECT_EQ(names(SortBy::kName), (Names{"Big", "old", "small"}));
}

TEST_F(RankingTest, AFilterIsPartOfAnyWord) {
    EXPECT_EQ(names(SortBy::kPackets, "BIG"), Names{"Big"});
    EXPECT_EQ(names(SortBy::kPackets, "udp/9").size(), 3U);
    EXPECT_EQ(names(SortBy::kPackets, "20"), Names{}) << "numbers are no words";
}

TEST_F(RankingTest, TotalsAreSinceTheLastReset) {
    const Ranking ranking = make_ranking(View::kRules, counts, rates, talkers, SortBy::kPackets, "");
    EXPECT_EQ(ranking.rows[0].cells, (std::vector<Cell>{20.0, 30.0, std::uint64_t{50}, "Big", "deny udp/9"}));
    EXPECT_EQ(ranking.columns.size(), ranking.rows[0].cells.size());
}

TEST_F(RankingTest, EachViewHasACellForEachColumn) {
    counts.interfaces = {{"eth0", 0, 1, {}, {}}};
    counts.interfaces[0].counters[FW_OUT].by_reason[FW_REASON_RULE_DENY] = {5, 50};
    counts.sets = {{"banned", 5, 100, 10, 1, 0}};
    counts.services = {{"web", {}, {{"web1", {}, {100, 1000, 10}, 3}}}};
    rates = rates_between(counts, counts);
    talkers.list.talkers.resize(1);
    talkers.list.talkers[0].source.family = policy::Family::kIpv4;
    talkers.list.talkers[0].source.length = 32;
    for (const View view : {View::kRules, View::kReasons, View::kTalkers, View::kServices, View::kSets}) {
        const Ranking ranking = make_ranking(view, counts, rates, talkers, SortBy::kPackets, "");
        ASSERT_FALSE(ranking.rows.empty());
        EXPECT_EQ(ranking.rows[0].cells.size(), ranking.columns.size());
    }
    EXPECT_EQ(make_ranking(View::kReasons, counts, rates, talkers, SortBy::kPackets, "out").rows.size(), 1U);
    EXPECT_EQ(make_ranking(View::kReasons, counts, rates, talkers, SortBy::kPackets, "in").rows.size(), 0U);
}

}  // namespace
}  // namespace fwctl::observe
