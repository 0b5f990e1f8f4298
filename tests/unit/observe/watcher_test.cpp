#include "observe/watcher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/prefix.h"

namespace fwctl::observe {
namespace {

std::vector<policy::Prefix> hosts(int count) {
    std::vector<policy::Prefix> all;
    for (int i = count; i-- > 0;) all.push_back(*policy::parse_prefix("192.0.2." + std::to_string(i)));
    return all;
}

TEST(FollowedSetTest, WhatWasThereIsNoNews) {
    FollowedSet set;
    EXPECT_TRUE(set.note("banned", hosts(3)).empty());
    EXPECT_TRUE(set.note("banned", hosts(3)).empty());
    EXPECT_TRUE(set.note("banned", hosts(1)).empty());
}

TEST(FollowedSetTest, NewMembersAreNamed) {
    FollowedSet set;
    set.note("banned", hosts(1));
    const auto news = set.note("banned", hosts(3));
    ASSERT_EQ(news.size(), 2U);
    EXPECT_EQ(news[1], (News{Priority::kNotice,
                             "ban",
                             "set banned: 192.0.2.2 is a member now",
                             {{"SET", "banned"}, {"MEMBER", "192.0.2.2"}}}));
    set.note("banned", {});
    EXPECT_EQ(set.note("banned", hosts(3)).size(), 3U);
}

TEST(FollowedSetTest, WhoIsMetTwiceIsNoNews) {
    FollowedSet set;
    set.note("banned", hosts(2));
    auto twice = hosts(2);
    twice.push_back(twice.front());
    EXPECT_TRUE(set.note("banned", twice).empty());
}

TEST(FollowedSetTest, OfManyTheOthersAreCounted) {
    FollowedSet set;
    set.note("banned", {});
    const auto news = set.note("banned", hosts(25));
    ASSERT_EQ(news.size(), FollowedSet::kTold + 1);
    EXPECT_EQ(news.back(), (News{Priority::kNotice,
                                 "bans",
                                 "set banned: 5 more members are new",
                                 {{"SET", "banned"}, {"COUNT", "5"}}}));
}

}  // namespace
}  // namespace fwctl::observe
