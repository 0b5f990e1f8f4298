#include "analyze/ranges.h"

#include <gtest/gtest.h>

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "generate/random.h"

namespace fwctl::analyze {
namespace {

using generate::Random;

constexpr std::size_t kNumbers = 256;
using Bits = std::bitset<kNumbers>;

// Up to `most` spans of the numbers, which the bits show one by one.
Ranges random_ranges(Random& random, std::size_t most, Bits& bits) {
    std::vector<Span> spans;
    for (std::uint64_t i = random.below(most + 1); i > 0; --i) {
        const std::uint64_t first = random.below(kNumbers);
        const std::uint64_t last = std::min(first + random.below(8), kNumbers - 1);
        spans.push_back({first, last});
        for (std::uint64_t number = first; number <= last; ++number) {
            bits.set(number);
        }
    }
    return Ranges(spans);
}

Bits bits_of(const Ranges& ranges) {
    Bits bits;
    for (std::size_t number = 0; number < kNumbers; ++number) {
        bits[number] = ranges.contains(number);
    }
    return bits;
}

TEST(Ranges, IsSortedAndJoined) {
    const Ranges ranges(std::vector<Span>{{20, 30}, {5, 9}, {10, 12}, {25, 40}});
    EXPECT_EQ(ranges.spans(), (std::vector<Span>{{5, 12}, {20, 40}}));
    EXPECT_TRUE(Ranges(std::vector<Span>()).empty());
}

TEST(Ranges, ReachesTheHighestNumber) {
    const Number highest = ~Number{0};
    const Ranges all(0, highest);
    const Ranges upper(highest - 1, highest);
    EXPECT_EQ(all.without(upper), Ranges(0, highest - 2));
    EXPECT_EQ(upper.without(Ranges(highest, highest)), Ranges(highest - 1, highest - 1));
    EXPECT_EQ(Ranges(std::vector<Span>{{highest, highest}, {0, highest - 1}}), all);
    EXPECT_EQ(all.intersected(upper), upper);
    EXPECT_TRUE(all.contains(highest));
    EXPECT_TRUE(upper.within(all));
}

TEST(Ranges, ComputesAsSetsOfNumbersDo) {
    Random random(1);
    for (int i = 0; i < 20000; ++i) {
        Bits bits_of_one;
        Bits bits_of_other;
        const Ranges one = random_ranges(random, random.percent(50) ? 2 : 40, bits_of_one);
        const Ranges other = random_ranges(random, random.percent(50) ? 2 : 40, bits_of_other);
        ASSERT_EQ(bits_of(one), bits_of_one);
        ASSERT_EQ(bits_of(one.intersected(other)), bits_of_one & bits_of_other);
        ASSERT_EQ(bits_of(one.without(other)), bits_of_one & ~bits_of_other);
        ASSERT_EQ(one.disjoint(other), (bits_of_one & bits_of_other).none());
        ASSERT_EQ(one.within(other), (bits_of_one & ~bits_of_other).none());
        ASSERT_EQ(one.intersected(other), other.intersected(one));
    }
}

TEST(RangePool, KeepsOneOfEach) {
    RangePool pool;
    const Ranges* one = pool.keep(Ranges(1, 5));
    EXPECT_EQ(pool.keep(Ranges(std::vector<Span>{{3, 5}, {1, 2}})), one);
    EXPECT_NE(pool.keep(Ranges(1, 6)), one);
}

TEST(RangePool, RemembersWhatIsDisjoint) {
    Random random(2);
    RangePool pool;
    for (int i = 0; i < 1000; ++i) {
        Bits unused;
        const Ranges* one = pool.keep(random_ranges(random, 20, unused));
        const Ranges* other = pool.keep(random_ranges(random, 20, unused));
        ASSERT_EQ(pool.disjoint(one, other), one->disjoint(*other));
        ASSERT_EQ(pool.disjoint(other, one), one->disjoint(*other));
    }
}

}  // namespace
}  // namespace fwctl::analyze
