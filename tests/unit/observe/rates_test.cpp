#include "observe/rates.h"

#include <gtest/gtest.h>

namespace fwctl::observe {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

Counts at(std::uint64_t clock) {
    Counts counts;
    counts.clock = clock;
    return counts;
}

void add_rules(Counts& counts, const std::vector<std::pair<std::string, fw_rule_count>>& all) {
    NamedRules rules;
    for (const auto& [name, count] : all) {
        NamedRule rule;
        rule.name = name;
        rules.push_back(rule);
        counts.rule_counts.push_back(count);
    }
    counts.rules = std::make_shared<NamedRules>(rules);
}

void add_interface(Counts& counts, const std::string& name, std::uint32_t id, fw_count dropped) {
    InterfaceCounts one{name, 0, id, {}, {}};
    one.counters[FW_IN].by_reason[FW_REASON_RULE_DENY] = dropped;
    counts.interfaces.push_back(one);
}

TEST(RatesTest, ArePerSecond) {
    Counts before = at(10 * kSecond);
    Counts after = at(10 * kSecond + kSecond / 2);
    add_rules(before, {{"a", {100, 1000, 0}}, {"b", {7, 70, 0}}});
    after.rules = before.rules;
    after.rule_counts = {{150, 2000, 0}, {7, 70, 0}};
    const Rates rates = rates_between(before, after);
    EXPECT_DOUBLE_EQ(rates.seconds, 0.5);
    EXPECT_EQ(rates.rules, (std::vector<Rate>{{100, 2000}, {0, 0}}));
}

TEST(RatesTest, RulesAreTheSameByName) {
    Counts before = at(0);
    Counts after = at(kSecond);
    add_rules(before, {{"goes", {500, 5000, 0}}, {"stays", {10, 100, 0}}, {"anew", {9, 90, 0}}});
    add_rules(after, {{"comes", {3, 30, 0}}, {"anew", {4, 40, 0}}, {"stays", {12, 300, 0}}});
    EXPECT_EQ(rates_between(before, after).rules, (std::vector<Rate>{{0, 0}, {4, 40}, {2, 200}}));
}

// Few packets again, but long ones.
TEST(RatesTest, PacketsAndBytesBeginAnewTogether) {
    Counts before = at(0);
    Counts after = at(kSecond);
    add_rules(before, {{"a", {5, 300, 0}}});
    add_rules(after, {{"a", {2, 3000, 0}}});
    EXPECT_EQ(rates_between(before, after).rules, (std::vector<Rate>{{2, 3000}}));
}

TEST(RatesTest, AnInterfaceThatIsAttachedAgainBeginsAtZero) {
    Counts before = at(0);
    Counts after = at(2 * kSecond);
    add_interface(before, "gone", 1, {1, 1});
    add_interface(before, "stays", 2, {10, 100});
    add_interface(before, "again", 3, {10, 100});
    add_interface(after, "again", 5, {20, 200});  // more than before, and other counters
    add_interface(after, "comes", 4, {4, 40});
    add_interface(after, "stays", 2, {20, 300});
    const Rates rates = rates_between(before, after);
    ASSERT_EQ(rates.interfaces.size(), 3U);
    const std::vector<Rate> expected = {{10, 100}, {2, 20}, {5, 100}};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(rates.interfaces[i].by_reason[FW_IN][FW_REASON_RULE_DENY], expected[i]);
        EXPECT_EQ(rates.interfaces[i].dropped(), expected[i].packets);
        EXPECT_EQ(rates.interfaces[i].passed(), 0);
    }
}

TEST(RatesTest, WhatIsSentOnHasPassed) {
    InterfaceRates rates;
    rates.by_reason[FW_IN][FW_REASON_RULE_ALLOW] = {1, 60};
    rates.by_reason[FW_IN][FW_REASON_RULE_REDIRECT] = {2, 120};
    rates.by_reason[FW_OUT][FW_REASON_RULE_DENY] = {4, 240};
    EXPECT_EQ(rates.passed(), 3);
    EXPECT_EQ(rates.dropped(), 4);
}

TEST(RatesTest, SetsServicesAndFlows) {
    Counts before = at(0);
    Counts after = at(2 * kSecond);
    before.sets = {{"banned", 5, 100, 10, 1, 0}};
    after.sets = {{"new", 5, 100, 10, 1, 0}, {"banned", 7, 100, 30, 1, 4}};
    before.services = {{"web", {}, {{"web1", {}, {100, 1000, 10}, 0}, {"web2", {}, {100, 1000, 10}, 0}}}};
    after.services = {{"web", {}, {{"web2", {}, {120, 3000, 14}, 3}, {"web3", {}, {9, 90, 1}, 1}}},
                      {"dns", {}, {{"web2", {}, {120, 3000, 14}, 0}}}};
    before.tracking.counts = {100, 50, 0, 0, 0};
    after.tracking.counts = {180, 60, 2, 0, 0};
    const Rates rates = rates_between(before, after);
    EXPECT_EQ(rates.sets[0].banned, 0);
    EXPECT_EQ(rates.sets[1].banned, 10);
    EXPECT_EQ(rates.sets[1].refused, 2);
    EXPECT_EQ(rates.services[0][0].rate, (Rate{10, 1000}));
    EXPECT_EQ(rates.services[0][0].flows, 2);
    EXPECT_EQ(rates.services[0][1].rate, Rate{}) << "it may have been there long before";
    EXPECT_EQ(rates.services[1][0].rate, Rate{}) << "of another service";
    EXPECT_EQ(rates.tracking.opened, 40);
    EXPECT_EQ(rates.tracking.displaced, 1);
}

TEST(RatesTest, TwoPicturesOfOneInstantHaveNone) {
    Counts before = at(kSecond);
    add_rules(before, {{"a", {5, 300, 0}}});
    EXPECT_EQ(rates_between(before, before).rules, (std::vector<Rate>{{0, 0}}));
}

TEST(CountsTest, LastHitIsATimeOfTheDay) {
    Counts counts = at(100 * kSecond);
    counts.time = std::chrono::system_clock::time_point(std::chrono::seconds(5000));
    counts.ticks = {1000, 99 * kSecond, kSecond / 10};  // as it was read a second before
    add_rules(counts, {{"a", {5, 300, 411}}, {"never", {0, 0, 0}}, {"now", {1, 1, 1012}}});
    EXPECT_EQ(counts.last_hit(0), std::chrono::system_clock::time_point(std::chrono::seconds(4940)));
    EXPECT_EQ(counts.last_hit(1), std::nullopt);
    EXPECT_EQ(counts.last_hit(2), counts.time) << "read a moment later than the clock";
}

}  // namespace
}  // namespace fwctl::observe
