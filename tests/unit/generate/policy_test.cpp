#include "generate/policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "generate/packets.h"
#include "policy/rule.h"

namespace fwctl::generate {
namespace {

using policy::Action;
using policy::PacketView;
using policy::Policy;
using policy::Rule;

constexpr Mix kMixes[] = {Mix::kAcl, Mix::kFirewall, Mix::kWildcard};

TEST(GeneratedPolicy, IsTheSameForTheSameSeed) {
    for (const Mix mix : kMixes) {
        EXPECT_TRUE(generate_policy(mix, 300, 1) == generate_policy(mix, 300, 1));
        EXPECT_FALSE(generate_policy(mix, 300, 1) == generate_policy(mix, 300, 2));
    }
}

// Another compiler or library has to give the same: these were written down once.
TEST(GeneratedPolicy, IsTheSameEverywhere) {
    Random random(42);
    EXPECT_EQ(random.below(1000), 406U);
    EXPECT_EQ(random.between(10, 20), 10U);
    EXPECT_EQ(random.bits(), 13874630024467741450U);
}

TEST(GeneratedPolicy, HasRulesAsTheParserWouldGiveThem) {
    for (const Mix mix : kMixes) {
        for (const std::size_t count : {1, 2, 50, 1000}) {
            const Policy policy = generate_policy(mix, count, 3);
            ASSERT_EQ(policy.rules.size(), count);
            std::set<std::string> names;
            for (const Rule& rule : policy.rules) {
                EXPECT_TRUE(policy::canonical(rule) == rule) << rule.name;
                EXPECT_TRUE(policy::check_rule(rule));
                EXPECT_TRUE(policy::check_name(rule.name));
                names.insert(rule.name);
                for (const auto* addresses : {&rule.from, &rule.to})
                    for (const auto* sets : {&addresses->sets, &addresses->except_sets})
                        for (const std::string& set : *sets) EXPECT_NE(policy.find_set(set), nullptr) << set;
            }
            EXPECT_EQ(names.size(), count);
        }
    }
}

TEST(GeneratedPolicy, SaysEverythingThatTheLanguageCan) {
    std::set<Action> actions;
    std::set<policy::Field> fields;
    std::set<policy::Direction> directions;
    std::set<std::size_t> largest_sets;
    bool negates = false;
    bool negates_sets = false;
    bool lists = false;
    for (std::uint64_t seed = 0; seed < 9; ++seed) {
        const Policy policy = generate_policy(kMixes[seed % 3], 400, seed);
        for (const policy::Set& set : policy.sets) largest_sets.insert(set.elements.size());
        for (const Rule& rule : policy.rules) {
            actions.insert(rule.action);
            directions.insert(rule.direction);
            for (const auto& match : rule.fields) fields.insert(match.field);
            negates |= !rule.from.except.empty();
            negates_sets |= !rule.to.except_sets.empty();
            lists |= rule.services.size() > 1 && rule.from.prefixes.size() > 1;
        }
    }
    EXPECT_EQ(actions,
              (std::set{Action::kAllow, Action::kDeny, Action::kReject, Action::kCount, Action::kLog}));
    EXPECT_EQ(fields.size(), policy::kFields);
    EXPECT_EQ(directions.size(), 3U);
    EXPECT_GT(*largest_sets.rbegin(), 1000U);
    EXPECT_TRUE(negates && negates_sets && lists);
}

TEST(GeneratedPolicy, SaysNoMoreThanAskedFor) {
    const Policy plain = generate_policy(Mix::kFirewall, 1000, 5, Detail::kFiveTuple);
    EXPECT_TRUE(plain.sets.empty());
    for (const Rule& rule : plain.rules) {
        EXPECT_TRUE(rule.action == Action::kAllow || rule.action == Action::kDeny);
        EXPECT_EQ(rule.services.size(), 1U);
        EXPECT_LE(rule.from.prefixes.size(), 1U);
        EXPECT_TRUE(rule.from.except.empty() && rule.on.empty());
        for (const auto& match : rule.fields) EXPECT_EQ(match.field, policy::Field::kSourcePort);
    }
    for (const policy::Set& set : generate_policy(Mix::kAcl, 100, 5, Detail::kStatic).sets)
        EXPECT_FALSE(set.dynamic);
    EXPECT_TRUE(generate_policy(Mix::kAcl, 100, 5).find_set("banned")->dynamic);
}

TEST(GeneratedPolicy, HasDuplicatesAndCoveredRules) {
    const Policy policy = generate_policy(Mix::kAcl, 1000, 6);
    int duplicates = 0;
    int covered = 0;
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        for (std::size_t j = i + 1; j < policy.rules.size(); ++j) {
            const Rule& one = policy.rules[i];
            const Rule& other = policy.rules[j];
            const bool same = policy::same_match(one, other);
            duplicates += same ? 1 : 0;
            covered += !same && policy::covers(one, other) ? 1 : 0;
        }
    }
    EXPECT_GT(duplicates, 2);
    EXPECT_GT(covered, 5);
}

TEST(GeneratedContext, FillsTheDynamicSets) {
    const Policy policy = generate_policy(Mix::kAcl, 10, 1);
    bool over = false;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        const auto context = generate_context(policy, seed, 1000);
        EXPECT_EQ(context.sets, &policy.sets);
        for (const auto& [name, members] : context.members) {
            EXPECT_NE(policy.find_set(name), nullptr);
            for (const auto& member : members) over |= member.expires == 1000;
        }
    }
    EXPECT_TRUE(over);
}

TEST(AimedPackets, MeetMostRules) {
    for (const Mix mix : kMixes) {
        const Policy policy = generate_policy(mix, 1000, 7);
        const auto context = generate_context(policy, 7, 1);
        Random random(7);
        std::set<std::size_t> met;
        std::size_t misses = 0;
        for (int i = 0; i < 10000; ++i) {
            const auto verdict =
                policy::evaluate(policy.rules, aimed_packet(policy.rules, context, random), context);
            met.insert(verdict.counted.begin(), verdict.counted.end());
            if (verdict.rule) met.insert(*verdict.rule);
            misses += verdict.rule ? 0 : 1;
        }
        EXPECT_GT(met.size(), 700U);
        EXPECT_LT(misses, 5000U);
    }
}

// Each packet misses its rule by one thing at most. Some rules no packet can meet: those of an empty set, and
// such as ask for the ports of later fragments.
TEST(AimedPackets, AreInsideOrJustOutside) {
    const Policy policy = generate_policy(Mix::kFirewall, 300, 8);
    const auto context = generate_context(policy, 8, 1);
    Random random(8);
    int never_met = 0;
    for (const Rule& rule : policy.rules) {
        int inside = 0;
        for (int i = 0; i < 100; ++i)
            inside += policy::matches(rule, aimed_packet({rule}, context, random), context) ? 1 : 0;
        EXPECT_LT(inside, 100) << rule.name;
        never_met += inside == 0 ? 1 : 0;
    }
    EXPECT_LT(never_met, 15);
}

TEST(Packets, ArePossible) {
    const Policy policy = generate_policy(Mix::kWildcard, 300, 9);
    const auto context = generate_context(policy, 9, 1);
    Random random(9);
    for (int i = 0; i < 20000; ++i) {
        const PacketView packet =
            i % 2 == 0 ? random_packet(random) : aimed_packet(policy.rules, context, random);
        ASSERT_TRUE(possible(packet) == packet);
    }
}

TEST(Possible, MendsWhatContradictsItself) {
    PacketView view;
    view.mac = 1;
    view.ethertype = 0x0800;
    view.protocol = 6;
    view.has_l4 = true;
    view.ttl = 64;
    PacketView made = possible(view);
    EXPECT_EQ(made.ethertype, 0x0806) << "not IP";
    EXPECT_EQ(made.ttl, 0);
    EXPECT_FALSE(made.has_l4);

    view.family = policy::Family::kIpv4;
    view.fragment = policy::FragmentKind::kAtomic;
    view.tcp_flags = 2;
    made = possible(view);
    EXPECT_EQ(made.fragment, policy::FragmentKind::kNone) << "of IPv6 alone";
    EXPECT_EQ(made.length, 40U);
    EXPECT_EQ(made.tcp_flags, 2);

    view.fragment = policy::FragmentKind::kLater;
    made = possible(view);
    EXPECT_FALSE(made.has_l4);
    EXPECT_EQ(made.tcp_flags, 0);

    view.family = policy::Family::kIpv6;
    view.fragment = policy::FragmentKind::kNone;
    view.protocol = 44;
    EXPECT_EQ(possible(view).protocol, 253) << "an extension header";
    view.protocol = 1;
    EXPECT_FALSE(possible(view).has_l4) << "of IPv4 alone";
    view.mac.reset();
    view.vlan = 7;
    EXPECT_EQ(possible(view).vlan, policy::kNoVlan);
}

}  // namespace
}  // namespace fwctl::generate
