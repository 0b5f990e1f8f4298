#include "policy/prefix_list.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "policy/prefix.h"

namespace fwctl::policy {
namespace {

using Prefixes = std::vector<Prefix>;
using Words = std::vector<std::string>;

Words words(const Prefixes& prefixes) {
    Words words;
    for (const Prefix& prefix : prefixes) {
        words.push_back(format_prefix(prefix));
    }
    return words;
}

Prefixes prefixes(const Words& words) {
    Prefixes prefixes;
    for (const std::string& word : words) {
        prefixes.push_back(parse_prefix(word).value());
    }
    return prefixes;
}

Words range(std::string_view first, std::string_view last) {
    Prefixes made;
    append_range(parse_prefix(first).value(), parse_prefix(last).value(), made);
    return words(made);
}

// Blocks of both families that often lie in one another; few enough leading bits vary.
Prefix random_prefix(std::mt19937& random) {
    const auto below = [&](int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random); };
    Prefix prefix{below(2) == 0 ? Family::kIpv4 : Family::kIpv6, 0, {}};
    for (std::uint8_t& byte : prefix.address) {
        byte = static_cast<std::uint8_t>(below(3) * 0x55);
    }
    const int bits = address_bits(prefix.family);
    return cut(prefix, static_cast<std::uint8_t>(below(3) == 0 ? below(bits + 1) : bits - below(20)));
}

TEST(Reduce, KeepsTheOutermost) {
    Prefixes list = prefixes({"10.0.0.1", "2001:db8::1", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.1",
                              "10.0.0.0/25", "2001:db8::/32", "0.0.0.0"});
    reduce(list);
    EXPECT_EQ(words(list), (Words{"10.0.0.0/24", "10.0.1.0/24", "0.0.0.0", "2001:db8::/32"}));
    list = prefixes({"0.0.0.0/0", "255.255.255.255", "::/0", "::1"});
    reduce(list);
    EXPECT_EQ(words(list), (Words{"0.0.0.0/0", "::/0"}));
    list.clear();
    reduce(list);
    EXPECT_TRUE(list.empty());
}

TEST(Reduce, GivesWhatComparingAllPairsGives) {
    std::mt19937 random(1);
    for (const int size : {2, 3, 10, 60, 300}) {
        for (int turn = 0; turn < 40; ++turn) {
            Prefixes list;
            for (int i = 0; i < size; ++i) {
                list.push_back(random_prefix(random));
            }
            Prefixes expected;
            for (const Prefix& prefix : list) {
                const bool is_in_another = std::any_of(list.begin(), list.end(), [&](const Prefix& other) {
                    return other != prefix && covers(other, prefix);
                });
                if (!is_in_another) {
                    expected.push_back(prefix);
                }
            }
            std::sort(expected.begin(), expected.end());
            expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
            reduce(list);
            ASSERT_EQ(list, expected);
        }
    }
}

// As many as are sorted by their digits.
TEST(Reduce, SortsManyAsItSortsFew) {
    std::mt19937 random(2);
    Prefixes list;
    for (int i = 0; i < 20000; ++i) {
        Prefix prefix{Family::kIpv4, 32, {}};
        for (int j = 0; j < 4; ++j) {
            prefix.address[static_cast<std::size_t>(j)] = static_cast<std::uint8_t>(random());
        }
        list.push_back(cut(prefix, static_cast<std::uint8_t>(8 + random() % 25)));
    }
    Prefixes reduced = list;
    reduce(reduced);
    EXPECT_TRUE(std::is_sorted(reduced.begin(), reduced.end()));
    EXPECT_LT(reduced.size(), list.size());
    for (const Prefix& prefix : list) {
        ASSERT_TRUE(is_covered(reduced, prefix)) << format_prefix(prefix);
    }
    for (const Prefix& prefix : reduced) {
        const bool is_original = std::find(list.begin(), list.end(), prefix) != list.end();
        ASSERT_TRUE(is_original) << format_prefix(prefix);
        ASSERT_FALSE(prefix.length > 0 && is_covered(reduced, cut(prefix, prefix.length - 1)));
    }
}

TEST(IsCovered, LooksAtEveryLength) {
    std::mt19937 random(3);
    int covered = 0;
    for (int turn = 0; turn < 2000; ++turn) {
        Prefixes list;
        for (int i = 0; i < 8; ++i) {
            list.push_back(random_prefix(random));
        }
        reduce(list);
        const Prefix asked = random_prefix(random);
        const bool expected =
            std::any_of(list.begin(), list.end(), [&](const Prefix& outer) { return covers(outer, asked); });
        ASSERT_EQ(is_covered(list, asked), expected);
        covered += expected ? 1 : 0;
    }
    EXPECT_GT(covered, 100);
}

TEST(Range, BecomesTheFewestBlocks) {
    EXPECT_EQ(range("10.0.0.0", "10.0.0.255"), (Words{"10.0.0.0/24"}));
    EXPECT_EQ(range("10.0.0.1", "10.0.0.6"), (Words{"10.0.0.1", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6"}));
    EXPECT_EQ(range("10.0.0.7", "10.0.0.7"), (Words{"10.0.0.7"}));
    EXPECT_EQ(range("0.0.0.0", "255.255.255.255"), (Words{"0.0.0.0/0"}));
    EXPECT_EQ(range("255.255.255.254", "255.255.255.255"), (Words{"255.255.255.254/31"}));
    EXPECT_EQ(range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), (Words{"::/0"}));
    EXPECT_EQ(range("2001:db8::ffff", "2001:db8::1:0"), (Words{"2001:db8::ffff", "2001:db8::1:0"}));
    EXPECT_EQ(range("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").size(), 254U);
}

TEST(Range, HoldsItsAddressesAndNoOther) {
    std::mt19937 random(4);
    const auto address = [](unsigned value) {
        return Prefix{Family::kIpv4,
                      32,
                      {10, 0, static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)}};
    };
    for (int turn = 0; turn < 200; ++turn) {
        unsigned first = random() % 1024;
        unsigned last = random() % 1024;
        if (last < first) {
            std::swap(first, last);
        }
        Prefixes made;
        append_range(address(first), address(last), made);
        for (unsigned value = 0; value < 1024; ++value) {
            const auto holders = std::count_if(made.begin(), made.end(), [&](const Prefix& prefix) {
                return covers(prefix, address(value));
            });
            ASSERT_EQ(holders, first <= value && value <= last ? 1 : 0);
        }
    }
}

}  // namespace
}  // namespace fwctl::policy
