#include "generate/prefixes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "generate/address.h"
#include "policy/prefix.h"
#include "policy/prefix_list.h"

namespace fwctl::generate {
namespace {

using policy::Family;
using policy::Prefix;

Prefix prefix(const char* text) {
    return policy::parse_prefix(text).value();
}

TEST(Address, KnowsTheEdgesOfABlock) {
    EXPECT_EQ(first_of(prefix("10.1.2.64/26")), prefix("10.1.2.64").address);
    EXPECT_EQ(last_of(prefix("10.1.2.64/26")), prefix("10.1.2.127").address);
    EXPECT_EQ(last_of(prefix("0.0.0.0/0")), prefix("255.255.255.255").address);
    EXPECT_EQ(last_of(prefix("2001:db8::/33")), prefix("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff").address);
    EXPECT_EQ(next(Family::kIpv4, prefix("10.1.255.255").address), prefix("10.2.0.0").address);
    EXPECT_EQ(next(Family::kIpv4, prefix("255.255.255.255").address), prefix("0.0.0.0").address);
    EXPECT_EQ(previous(Family::kIpv6, prefix("2001:db8::").address),
              prefix("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff").address);
    EXPECT_EQ(block_around(Family::kIpv4, prefix("10.1.2.127").address, 26), prefix("10.1.2.64/26"));
}

TEST(Address, DrawsFromAllOfABlockAndNothingElse) {
    Random random(1);
    std::set<Address> seen;
    for (int i = 0; i < 500; ++i) {
        seen.insert(any_of(prefix("10.1.2.60/30"), random));
        const Prefix within = any_within(prefix("2001:db8::/33"), 50, random);
        EXPECT_EQ(within.length, 50);
        EXPECT_TRUE(policy::covers(prefix("2001:db8::/33"), within));
    }
    EXPECT_EQ(seen.size(), 4U);
    EXPECT_EQ(*seen.begin(), prefix("10.1.2.60").address);
}

class GeneratedPrefixes : public ::testing::TestWithParam<std::tuple<PrefixKind, Family>> {};

TEST_P(GeneratedPrefixes, AreAsManyAsAskedForSortedAndTheSameEachTime) {
    const auto [kind, family] = GetParam();
    for (const std::size_t count : {0, 1, 7, 20000}) {
        const auto prefixes = generate_prefixes(kind, family, count, 5);
        EXPECT_EQ(prefixes.size(), count);
        EXPECT_TRUE(std::is_sorted(prefixes.begin(), prefixes.end()));
        EXPECT_EQ(std::adjacent_find(prefixes.begin(), prefixes.end()), prefixes.end());
        EXPECT_EQ(prefixes, generate_prefixes(kind, family, count, 5));
        for (const Prefix& one : prefixes) {
            ASSERT_EQ(one.family, family);
            ASSERT_EQ(block_around(family, one.address, one.length), one);
        }
    }
    EXPECT_NE(generate_prefixes(kind, family, 7, 5), generate_prefixes(kind, family, 7, 6));
}

INSTANTIATE_TEST_SUITE_P(All, GeneratedPrefixes,
                         ::testing::Combine(::testing::Values(PrefixKind::kFeed, PrefixKind::kRoutes),
                                            ::testing::Values(Family::kIpv4, Family::kIpv6)));

TEST(GeneratedFeed, IsOfHostsThatLiveTogether) {
    const auto prefixes = generate_prefixes(PrefixKind::kFeed, Family::kIpv4, 10000, 1);
    std::map<Address, int> in_network;
    int hosts = 0;
    for (const Prefix& prefix : prefixes) {
        hosts += prefix.length == 32 ? 1 : 0;
        ++in_network[block_around(Family::kIpv4, prefix.address, 24).address];
    }
    EXPECT_NEAR(hosts, 8000, 500);
    EXPECT_LT(in_network.size(), 5000U);
}

TEST(GeneratedRoutes, AreNestedNetworks) {
    auto prefixes = generate_prefixes(PrefixKind::kRoutes, Family::kIpv4, 10000, 1);
    std::size_t slash24 = 0;
    for (const Prefix& prefix : prefixes) {
        EXPECT_LE(prefix.length, 24);
        slash24 += prefix.length == 24 ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(slash24), 6000, 700);
    policy::reduce(prefixes);
    EXPECT_LT(prefixes.size(), 8000U);
}

}  // namespace
}  // namespace fwctl::generate
