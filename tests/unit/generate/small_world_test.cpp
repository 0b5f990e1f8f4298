#include "generate/small_world.h"

#include <gtest/gtest.h>

#include <map>

#include "generate/packets.h"
#include "policy/rule.h"

namespace fwctl::generate {
namespace {

using policy::PacketView;
using policy::Policy;
using policy::Rule;

TEST(SmallWorld, IsTheSameForTheSameSeed) {
    SmallWorld one(1);
    SmallWorld other(1);
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(one.policy() == other.policy());
        ASSERT_TRUE(one.packet() == other.packet());
    }
}

TEST(SmallWorld, SaysOnlyWhatALiveRuleCan) {
    SmallWorld world(2, Vocabulary::kLive);
    for (std::size_t i = 0; i < 500; ++i) {
        const Rule rule = world.rule(i);
        EXPECT_TRUE(rule.fields.empty());
        EXPECT_TRUE(rule.from.sets.empty() && rule.from.except.empty() && rule.from.except_sets.empty());
        EXPECT_TRUE(rule.action == policy::Action::kAllow || rule.action == policy::Action::kDeny);
        EXPECT_TRUE(policy::check_rule(rule));
    }
}

// Each field and each part of an address list makes a difference to some packets.
TEST(SmallWorld, HasPacketsOnBothSidesOfEverything) {
    SmallWorld world(3);
    const auto sets = small_sets();
    const auto context = small_context(sets);
    std::map<policy::Field, int> decided_by;
    std::map<std::string, int> decided_by_list;
    for (int i = 0; i < 20000; ++i) {
        const Rule rule = world.raw_rule();
        const PacketView packet = world.packet();
        ASSERT_TRUE(possible(packet) == packet);
        const bool matches = policy::matches(rule, packet, context);
        for (std::size_t field = 0; field < rule.fields.size(); ++field) {
            Rule without = rule;
            without.fields.erase(without.fields.begin() + static_cast<std::ptrdiff_t>(field));
            decided_by[rule.fields[field].field] += matches != policy::matches(without, packet, context);
        }
        for (const char* list : {"sets", "except", "except_sets"}) {
            Rule without = rule;
            if (list == std::string("sets")) without.from.sets.clear();
            if (list == std::string("except")) without.from.except.clear();
            if (list == std::string("except_sets")) without.from.except_sets.clear();
            decided_by_list[list] += matches != policy::matches(without, packet, context);
        }
    }
    EXPECT_EQ(decided_by.size(), policy::kFields);
    for (const auto& [field, times] : decided_by) EXPECT_GT(times, 5) << static_cast<int>(field);
    for (const auto& [list, times] : decided_by_list) EXPECT_GT(times, 5) << list;
}

}  // namespace
}  // namespace fwctl::generate
