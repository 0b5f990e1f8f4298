// What ctl/compile/maglev.h promises of shares and of slots that move, over many sets of members.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "compile/maglev.h"
#include "generate/random.h"

namespace fwctl::compile {
namespace {

using Members = std::vector<RingMember>;
using Ring = std::vector<std::uint16_t>;

enum class Weights { kEqual, kSmall, kWide, kAny };

std::uint32_t weight_of(Weights weights, generate::Random& random) {
    switch (weights) {
        case Weights::kEqual:
            return 10;
        case Weights::kSmall:
            return static_cast<std::uint32_t>(random.between(1, 10));
        case Weights::kWide:  // each power of two as often
            return static_cast<std::uint32_t>(std::exp2(static_cast<double>(random.below(16'000)) / 1000));
        case Weights::kAny:
            return static_cast<std::uint32_t>(random.below(65'536));
    }
    return 0;
}

// A set of members and a size that leaves each a hundred slots.
struct Trial {
    Members members;
    std::uint32_t size = 0;
    std::string name;
};

void for_each_trial(const std::function<void(const Trial&, generate::Random&)>& test) {
    struct Kind {
        std::size_t members;
        std::uint32_t size;
        int seeds;
    };
    constexpr Kind kKinds[] = {{1, 16'381, 2},    {2, 16'381, 10},    {3, 16'381, 10},    {10, 16'381, 10},
                               {100, 16'381, 10}, {163, 16'381, 10},  {1, 65'537, 1},     {2, 65'537, 1},
                               {3, 65'537, 1},    {10, 65'537, 2},    {100, 65'537, 2},   {500, 65'537, 1},
                               {655, 65'537, 2},  {1000, 100'003, 1}, {1000, 131'071, 1}, {1000, 262'139, 1}};
    for (const Kind& kind : kKinds) {
        for (const Weights weights : {Weights::kEqual, Weights::kSmall, Weights::kWide, Weights::kAny}) {
            for (int seed = 0; seed < kind.seeds; ++seed) {
                generate::Random random(static_cast<std::uint64_t>(seed));
                Trial trial{{},
                            kind.size,
                            fmt::format("{} members, {} slots, weights {}, seed {}", kind.members, kind.size,
                                        static_cast<int>(weights), seed)};
                for (std::size_t i = 0; i < kind.members; ++i)
                    trial.members.push_back({fmt::format("{}/{}/{}", seed, static_cast<int>(weights), i),
                                             weight_of(weights, random), static_cast<std::uint16_t>(i + 1)});
                SCOPED_TRACE(trial.name);
                test(trial, random);
                if (testing::Test::HasFailure()) return;
            }
        }
    }
}

std::vector<std::int64_t> slots_of(const Ring& ring, std::size_t members) {
    std::vector<std::int64_t> slots(members + 1, 0);
    for (const std::uint16_t number : ring) ++slots[number];
    return slots;
}

// |slots - share| <= share / 100 wherever the share, size * weight / sum of weights, is 100 slots or more;
// and for all members together, what they have too many is at most half a slot for each.
TEST(MaglevShares, AreWithinOnePercent) {
    for_each_trial([](const Trial& trial, generate::Random&) {
        const std::vector<std::int64_t> slots =
            slots_of(build_ring(trial.members, trial.size), trial.members.size());
        double weights = 0;
        for (const RingMember& member : trial.members) weights += member.weight;
        if (weights == 0) return;
        EXPECT_EQ(slots[0], 0);
        double excess = 0;
        for (const RingMember& member : trial.members) {
            const double share = trial.size * static_cast<double>(member.weight) / weights;
            const double error = static_cast<double>(slots[member.number]) - share;
            excess += std::max(0.0, error);
            if (share >= 100) {
                ASSERT_LE(std::abs(error), share / 100) << member.key;
            }
        }
        EXPECT_LE(excess, static_cast<double>(trial.members.size()) / 2);
    });
}

TEST(MaglevShares, OfEqualWeightsDifferByOneSlotAtMost) {
    for (const std::size_t count : {1, 2, 3, 10, 100, 163, 500, 655}) {
        Members members;
        for (std::size_t i = 0; i < count; ++i)
            members.push_back({std::to_string(i), 65'535, static_cast<std::uint16_t>(i + 1)});
        const std::vector<std::int64_t> slots = slots_of(build_ring(members, 65'537), count);
        for (std::size_t i = 1; i <= count; ++i) {
            ASSERT_GE(slots[i], 65'537 / static_cast<std::int64_t>(count));
            ASSERT_LE(slots[i], 65'537 / static_cast<std::int64_t>(count) + 1);
        }
    }
}

// Slots that hold another member, but for those that must: as many as members have more slots than before.
double moved_needlessly(const Ring& before, const Ring& after, std::size_t members) {
    std::int64_t moved = 0;
    for (std::size_t slot = 0; slot < before.size(); ++slot) moved += before[slot] != after[slot] ? 1 : 0;
    const std::vector<std::int64_t> had = slots_of(before, members);
    const std::vector<std::int64_t> has = slots_of(after, members);
    for (std::size_t i = 0; i <= members; ++i) moved -= std::max<std::int64_t>(0, has[i] - had[i]);
    return static_cast<double>(moved) / static_cast<double>(before.size());
}

// Where one member's weight grows or falls (0: it is gone), the others' slots all fall or all grow.
void expect_others_yield_alike(const Ring& before, const Ring& after, std::size_t members,
                               std::uint16_t changed) {
    const std::vector<std::int64_t> had = slots_of(before, members);
    const std::vector<std::int64_t> has = slots_of(after, members);
    const std::int64_t sign = has[changed] >= had[changed] ? 1 : -1;
    for (std::size_t i = 1; i <= members; ++i) {
        if (i != changed) {
            EXPECT_GE(sign * (had[i] - has[i]), 0) << i;
        }
    }
}

double share_of(const Members& members, std::size_t one) {
    double weights = 0;
    for (const RingMember& member : members) weights += member.weight;
    return members[one].weight / weights;
}

// Those that have at most twice the mean share are promised less movement: the bound for them, or for others.
double bound(const Trial& trial, double share, double usual) {
    return share * static_cast<double>(trial.members.size()) <= 2 ? usual : 0.03;
}

// Read from its end it is one that comes.
TEST(MaglevChange, OneThatGoesMovesLittleElse) {
    for_each_trial([](const Trial& trial, generate::Random& random) {
        if (trial.members.size() == 1) return;
        const std::size_t count = trial.members.size();
        Members others = trial.members;
        const std::size_t gone = random.below(count);
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(gone));
        const Ring before = build_ring(trial.members, trial.size);
        const Ring after = build_ring(others, trial.size);
        expect_others_yield_alike(before, after, count, trial.members[gone].number);
        const double most = bound(trial, share_of(trial.members, gone), 0.012);
        EXPECT_LE(moved_needlessly(before, after, count), most);
        EXPECT_LE(moved_needlessly(after, before, count), most);
    });
}

TEST(MaglevChange, AnotherWeightMovesLittleElse) {
    for_each_trial([](const Trial& trial, generate::Random& random) {
        const std::size_t count = trial.members.size();
        Members changed = trial.members;
        const std::size_t one = random.below(count);
        changed[one].weight = static_cast<std::uint32_t>(
            random.percent(20)
                ? random.below(65'536)
                : std::min<std::uint64_t>(65'535, changed[one].weight * random.below(20) / 10));
        const Ring before = build_ring(trial.members, trial.size);
        const Ring after = build_ring(changed, trial.size);
        expect_others_yield_alike(before, after, count, changed[one].number);
        const double larger = std::max(share_of(trial.members, one), share_of(changed, one));
        EXPECT_LE(moved_needlessly(before, after, count), bound(trial, larger, 0.015));
    });
}

// From no slot at all to half of them: where most has to move, and the others' shares fall below 100 slots.
TEST(MaglevChange, TheHeaviestMovesThreePercentElseAtMost) {
    for (const std::uint32_t factor : {10, 50, 163, 1000}) {
        Members members;
        for (std::size_t i = 0; i < 163; ++i)
            members.push_back({fmt::format("{}/{}", factor, i), 10, static_cast<std::uint16_t>(i + 1)});
        const Ring before = build_ring(members, 16'381);
        members[7].weight *= factor;
        const Ring after = build_ring(members, 16'381);
        members[7].weight = 0;
        const Ring without = build_ring(members, 16'381);
        EXPECT_LE(moved_needlessly(before, after, members.size()), 0.03) << factor;
        EXPECT_LE(moved_needlessly(after, without, members.size()), 0.03) << factor;
    }
}

}  // namespace
}  // namespace fwctl::compile
