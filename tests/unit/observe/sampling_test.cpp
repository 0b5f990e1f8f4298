#include "observe/sampling.h"

#include <gtest/gtest.h>

namespace fwctl::observe {
namespace {

std::uint64_t taken(Sampling& sampling, std::uint64_t kind, int packets) {
    std::uint64_t count = 0;
    for (int i = 0; i < packets; ++i) count += sampling.takes(kind) ? 1 : 0;
    return count;
}

TEST(SamplingTest, FewAreAllShown) {
    Sampling sampling;
    EXPECT_EQ(taken(sampling, 1, 7), 7U);
    EXPECT_EQ(taken(sampling, 2, 3), 3U);
    EXPECT_EQ(sampling.more(0), 0U);
}

TEST(SamplingTest, AFloodLeavesRoomForWhatIsRare) {
    Sampling sampling;
    EXPECT_LT(taken(sampling, 1, 1000), Sampling::kShown);
    EXPECT_EQ(taken(sampling, 2, 2), 2U);
    EXPECT_EQ(taken(sampling, 3, 1), 1U);
}

TEST(SamplingTest, NeverMoreThanItPromises) {
    Sampling sampling;
    std::uint64_t shown = 0;
    for (std::uint64_t kind = 0; kind < 1000; ++kind) shown += taken(sampling, kind, 5);
    EXPECT_LE(shown, Sampling::kShown);
    EXPECT_EQ(sampling.more(0), 5000 - shown);
    EXPECT_EQ(sampling.more(11), 5011 - shown);
}

TEST(SamplingTest, ProgramsTellOfAPartWhenTheyTellOfTooMany) {
    Sampling sampling;
    taken(sampling, 1, Sampling::kHeard);
    EXPECT_EQ(sampling.next(0).one_of(), 1U);
    Sampling thinner = sampling.next(9 * Sampling::kHeard);
    EXPECT_EQ(thinner.one_of(), 10U);
    // Each stands for ten now.
    const auto shown = taken(thinner, 1, Sampling::kHeard);
    EXPECT_EQ(thinner.more(0), 10 * Sampling::kHeard - shown);
    EXPECT_EQ(thinner.next(0).one_of(), 10U);
}

TEST(SamplingTest, AndOfAllAgainWhenThereAreFew) {
    Sampling sampling(1000);
    EXPECT_EQ(sampling.next(0).one_of(), 1U);
    EXPECT_EQ(sampling.more(0), 0U);
}

}  // namespace
}  // namespace fwctl::observe
