#include "observe/closeup.h"

#include <gtest/gtest.h>

namespace fwctl::observe {
namespace {

engine::Talker talker(std::uint64_t packets, std::uint64_t more) {
    engine::Talker one;
    one.packets = packets;
    one.more = more;
    return one;
}

TEST(KeepOutstandingTest, WhereAllAreListedNobodyIsLeftOut) {
    engine::TalkerList list{{talker(9, 0), talker(1, 0)}, 10, 0};
    keep_outstanding(list, 20);
    EXPECT_EQ(list.talkers.size(), 2U);
    EXPECT_EQ(list.unlisted, 0U);
}

TEST(KeepOutstandingTest, WhoMayHaveSentNoMoreThanAnUnlistedOneDoesNotStandOut) {
    engine::TalkerList list{{talker(900, 3), talker(141, 20), talker(140, 59), talker(1, 139)}, 9000, 140};
    keep_outstanding(list, 20);
    ASSERT_EQ(list.talkers.size(), 2U);
    EXPECT_EQ(list.talkers[1].packets, 141U);
    EXPECT_EQ(list.unlisted, 199U);
}

TEST(KeepOutstandingTest, WhatIsTooLongIsCut) {
    engine::TalkerList list{{talker(9, 0), talker(8, 0), talker(7, 0)}, 24, 0};
    keep_outstanding(list, 1);
    EXPECT_EQ(list.talkers.size(), 1U);
    EXPECT_EQ(list.unlisted, 8U);
}

}  // namespace
}  // namespace fwctl::observe
