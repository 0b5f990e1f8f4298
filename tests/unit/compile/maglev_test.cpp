#include "compile/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "compile/name_hash.h"
#include "generate/random.h"

namespace fwctl::compile {
namespace {

using Members = std::vector<RingMember>;
using Ring = std::vector<std::uint16_t>;

// The weights, again and again.
Members members(std::size_t count, const std::vector<std::uint32_t>& weights = {1}) {
    Members members;
    for (std::size_t i = 0; i < count; ++i)
        members.push_back(
            {"backend-" + std::to_string(i), weights[i % weights.size()], static_cast<std::uint16_t>(i + 1)});
    return members;
}

std::map<int, int> slots_of(const Ring& ring) {
    std::map<int, int> slots;
    for (const std::uint16_t number : ring) ++slots[number];
    return slots;
}

bool is_prime(std::uint32_t number) {
    for (std::uint32_t divisor = 2; divisor * divisor <= number; ++divisor)
        if (number % divisor == 0) return false;
    return number > 1;
}

TEST(RingSize, IsAPrimeWithAHundredSlotsForEach) {
    for (std::size_t count = 0; count <= 10'000; ++count) {
        ASSERT_TRUE(is_prime(ring_size_for(count))) << count;
        ASSERT_GE(ring_size_for(count), 100 * count);
        ASSERT_GE(ring_size_for(count + 1), ring_size_for(count));
    }
    EXPECT_EQ(ring_size_for(0), 16'381U);
    EXPECT_EQ(ring_size_for(163), 16'381U);
    EXPECT_EQ(ring_size_for(164), 65'537U);
    EXPECT_EQ(ring_size_for(1000), 262'139U);
    EXPECT_EQ(ring_size_for(65'535), kLargestRing);
}

TEST(Maglev, WhereNobodyHasWeightIsNobody) {
    EXPECT_EQ(build_ring({}, 101), Ring(101, 0));
    EXPECT_EQ(build_ring(members(3, {0}), 101), Ring(101, 0));
    EXPECT_TRUE(build_ring(members(3), 0).empty());
}

TEST(Maglev, OneMemberHasAllSlots) {
    EXPECT_EQ(build_ring(members(1), 16'381), Ring(16'381, 1));
    EXPECT_EQ(build_ring(members(3, {0, 65'535, 0}), 16'381), Ring(16'381, 2));
    EXPECT_EQ(build_ring(members(1), 1), Ring(1, 1));
    EXPECT_EQ(build_ring(members(1), 2), Ring(2, 1));
}

TEST(Maglev, WithoutWeightThereIsNoSlot) {
    const Members all = members(100, {5, 0, 7});
    Members some = all;
    std::erase_if(some, [](const RingMember& member) { return member.weight == 0; });
    EXPECT_EQ(build_ring(all, 16'381), build_ring(some, 16'381));
}

TEST(Maglev, SharesAreRoundedToTheNearest) {
    EXPECT_EQ(slots_of(build_ring(members(3, {1, 2, 3}), 1021)),
              (std::map<int, int>{{1, 170}, {2, 340}, {3, 511}}));
    // 0.51 slots and 0.49
    EXPECT_EQ(slots_of(build_ring(members(3, {51, 49, 9900}), 101)), (std::map<int, int>{{1, 1}, {3, 100}}));
    EXPECT_EQ(slots_of(build_ring(members(2, {1, 65'535}), 16'381)), (std::map<int, int>{{2, 16'381}}));
    EXPECT_EQ(slots_of(build_ring(members(2, {1, 65'535}), kLargestRing)),
              (std::map<int, int>{{1, 15}, {2, 999'988}}));
}

TEST(Maglev, WhereThereAreMoreMembersThanSlotsNoneHasTwo) {
    const Ring ring = build_ring(members(5000), 1021);
    EXPECT_EQ(slots_of(ring).size(), 1021U);
    EXPECT_EQ(slots_of(ring).count(0), 0U);
}

// The promises of shares hold; there are no inverses of some numbers then.
TEST(Maglev, ASizeThatIsNoPrimeIsFilledToo) {
    for (const std::uint32_t size : {4U, 100U, 16'384U, 65'536U}) {
        for (const auto& [number, slots] : slots_of(build_ring(members(4), size))) {
            EXPECT_GT(number, 0);
            EXPECT_EQ(slots, size / 4) << size;
        }
    }
}

TEST(Maglev, TheOrderOfTheMembersDoesNotMatter) {
    generate::Random random(1);
    for (const std::size_t count : {2, 3, 10, 100, 500}) {
        Members all = members(count, {3, 1, 4, 1, 5, 9, 2, 6});
        const std::uint32_t size = ring_size_for(count);
        const Ring ring = build_ring(all, size);
        for (int turn = 0; turn < 3; ++turn) {
            for (std::size_t i = all.size() - 1; i > 0; --i) std::swap(all[i], all[random.below(i + 1)]);
            ASSERT_EQ(build_ring(all, size), ring) << count;
        }
    }
}

TEST(Maglev, ANumberIsWhatTheSlotsHoldAndNoMore) {
    const Members all = members(100, {3, 1, 4});
    Members renumbered = all;
    for (RingMember& member : renumbered) member.number = static_cast<std::uint16_t>(60'000 - member.number);
    const Ring ring = build_ring(all, 16'381);
    const Ring other = build_ring(renumbered, 16'381);
    for (std::size_t slot = 0; slot < ring.size(); ++slot) ASSERT_EQ(60'000 - ring[slot], other[slot]);
}

TEST(Maglev, WhoCameAndWentLeavesNoTrace) {
    Members all = members(100, {3, 1, 4});
    const Ring ring = build_ring(all, 16'381);
    all.insert(all.begin() + 7, {"another", 50, 101});
    EXPECT_NE(build_ring(all, 16'381), ring);
    all.erase(all.begin() + 7);
    EXPECT_EQ(build_ring(all, 16'381), ring);
}

std::uint64_t hash_of(const Ring& ring) {
    std::string bytes;
    for (const std::uint16_t number : ring) {
        bytes.push_back(static_cast<char>(number & 0xff));
        bytes.push_back(static_cast<char>(number >> 8));
    }
    return name_hash(bytes);
}

// Nodes of a cluster may have different versions of fwctl: if this fails, flows break where they are upgraded
// one by one. So it is no test to be brought up to date.
TEST(Maglev, IsTheSameInAllVersions) {
    EXPECT_EQ(build_ring(members(3, {1, 2, 3}), 31), (Ring{2, 2, 2, 3, 3, 3, 3, 1, 3, 3, 3, 2, 2, 2, 2, 3,
                                                           3, 1, 3, 3, 3, 3, 3, 3, 2, 3, 2, 1, 1, 1, 2}));
    EXPECT_EQ(hash_of(build_ring(members(10), 1021)), 15855970599860839412U);
    EXPECT_EQ(hash_of(build_ring(members(100), 16'381)), 12533693421022505190U);
    EXPECT_EQ(hash_of(build_ring(members(655, {1, 100, 65'535}), 65'537)), 531892710788598680U);
    EXPECT_EQ(hash_of(build_ring(members(1000, {1, 2, 3}), 131'071)), 15356863756627354723U);
    EXPECT_EQ(hash_of(build_ring(members(1000, {10, 20, 30}), kLargestRing)), 15707326997559392436U);
}

}  // namespace
}  // namespace fwctl::compile
