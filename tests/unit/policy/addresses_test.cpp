#include "policy/addresses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "policy/prefix.h"

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

Addresses addresses(const Words& words) {
    Addresses made;
    for (const std::string& word : words) {
        const Status added = add_address(made, word);
        EXPECT_TRUE(added.has_value()) << word;
    }
    reduce(made);
    return made;
}

std::string error_of(std::string_view word) {
    Addresses made;
    const Status added = add_address(made, word);
    return added ? "no error" : added.error().message;
}

TEST(Addresses, AreReadAndWritten) {
    EXPECT_EQ(address_words(addresses({"!@guests", "10.1.2.3-10.1.2.4", "@admins", "!10.0.0.0/24",
                                       "10.0.0.0/8", "@admins", "2001:db8::1", "@b-_2"})),
              (Words{"10.0.0.0/8", "2001:db8::1", "@admins", "@b-_2", "!10.0.0.0/24", "!@guests"}));
    EXPECT_EQ(address_words(addresses({"!192.0.2.1-192.0.2.2"})), (Words{"!192.0.2.1", "!192.0.2.2"}));
    EXPECT_TRUE(address_words(Addresses{}).empty());
}

TEST(Addresses, RefuseWhatIsNone) {
    EXPECT_EQ(error_of("@"), "\"\" is not a set's name: 1 to 63 of a-z 0-9 _ -");
    EXPECT_EQ(error_of("!@Admins"), "\"Admins\" is not a set's name: 1 to 63 of a-z 0-9 _ -");
    EXPECT_EQ(error_of("@" + std::string(64, 'a')),
              "\"" + std::string(64, 'a') + "\" is not a set's name: 1 to 63 of a-z 0-9 _ -");
    EXPECT_EQ(error_of("10.0.0.9-10.0.0.1"),
              "the range \"10.0.0.9-10.0.0.1\" runs backwards; did you mean \"10.0.0.1-10.0.0.9\"?");
    EXPECT_EQ(error_of("10.0.0.1-::1"),
              "the range \"10.0.0.1-::1\" begins and ends in different IP versions");
    EXPECT_EQ(error_of("10.0.0.0/24-10.0.1.0/24"),
              "the range \"10.0.0.0/24-10.0.1.0/24\" goes from an address to an address, without lengths");
    EXPECT_EQ(error_of("10.0.0.1-9"),
              "\"9\" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)");
    EXPECT_EQ(
        error_of("!!10.0.0.1"),
        "\"!10.0.0.1\" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)");
    EXPECT_EQ(error_of("!10.0.0.1/8"), "10.0.0.1/8 has host bits set; did you mean 10.0.0.0/8 or 10.0.0.1?");
}

TEST(Addresses, AdmitTheFamiliesThatTheyLeave) {
    const auto admitted = [](const Words& words) {
        const Addresses made = addresses(words);
        return std::string(admits(made, Family::kIpv4) ? "4" : "") + (admits(made, Family::kIpv6) ? "6" : "");
    };
    EXPECT_EQ(admitted({}), "46");
    EXPECT_EQ(admitted({"10.0.0.0/8"}), "4");
    EXPECT_EQ(admitted({"::1", "10.0.0.1"}), "46");
    EXPECT_EQ(admitted({"::1", "@a"}), "46");
    EXPECT_EQ(admitted({"!10.0.0.0/8"}), "46");
    EXPECT_EQ(admitted({"!0.0.0.0/0"}), "6");
    EXPECT_EQ(admitted({"!0.0.0.0/0", "!::/0"}), "");
    EXPECT_EQ(admitted({"@a", "!::/0"}), "4");
    EXPECT_EQ(admitted({"10.0.0.0/8", "!10.0.0.0/8"}), "");
    EXPECT_EQ(admitted({"10.0.0.0/8", "!10.0.0.0/9"}), "4");
    EXPECT_EQ(admitted({"@a", "!@a"}), "");
}

TEST(Addresses, CoverWhatLiesInThem) {
    const auto cover = [](const Words& outer, const Words& inner) {
        return covers(addresses(outer), addresses(inner));
    };
    EXPECT_TRUE(cover({}, {}));
    EXPECT_TRUE(cover({}, {"10.0.0.0/8"}));
    EXPECT_FALSE(cover({"0.0.0.0/0", "::/0"}, {}));  // a frame may be no IP
    EXPECT_FALSE(cover({"!10.0.0.1"}, {}));
    EXPECT_TRUE(cover({"10.0.0.0/8", "@a"}, {"10.1.0.0/16", "@a"}));
    EXPECT_FALSE(cover({"10.0.0.0/8"}, {"10.1.0.0/16", "@a"}));
    EXPECT_FALSE(cover({"@a"}, {"@b"}));
    EXPECT_TRUE(cover({"!10.0.0.1"}, {"!10.0.0.0/8"}));
    EXPECT_FALSE(cover({"!10.0.0.0/8"}, {"!10.0.0.1"}));
    EXPECT_TRUE(cover({"!10.0.0.0/8"}, {"192.0.2.1"}));
    EXPECT_FALSE(cover({"!10.0.0.0/8"}, {"@a"}));
    EXPECT_TRUE(cover({"!10.0.0.0/8"}, {"@a", "!10.0.0.0/8"}));
    EXPECT_TRUE(cover({"!@a"}, {"10.0.0.0/8", "!@a"}));
    EXPECT_FALSE(cover({"!@a"}, {"10.0.0.0/8"}));
    EXPECT_FALSE(cover({"10.0.0.0/8", "!10.0.0.1"}, {"10.0.0.0/8"}));
}

// What the model says of them.
bool holds(const Addresses& addresses, const Prefix& address) {
    const auto in = [&](const std::vector<Prefix>& list) {
        return std::any_of(list.begin(), list.end(),
                           [&](const Prefix& block) { return covers(block, address); });
    };
    return !in(addresses.except) && (addresses.prefixes.empty() || in(addresses.prefixes));
}

TEST(Addresses, NeverCoverWrongly) {
    std::mt19937 random(6);
    const std::array<const char*, 9> pool = {"10.0.0.0/30", "10.0.0.0/31", "10.0.0.1",
                                             "10.0.0.2",    "0.0.0.0/0",   "::/0",
                                             "::/127",      "::1",         "10.0.0.3"};
    const std::array<const char*, 6> probes = {"10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "::", "::1"};
    const auto some = [&] {
        Words words;
        for (auto left = random() % 4; left > 0; --left) {
            words.push_back((random() % 2 == 0 ? "!" : "") + std::string(pool[random() % pool.size()]));
        }
        return addresses(words);
    };
    int covered = 0;
    for (int turn = 0; turn < 20000; ++turn) {
        const Addresses outer = some();
        const Addresses inner = some();
        bool has_left_out = false;
        bool admits_ipv4 = false;
        for (const char* probe : probes) {
            const Prefix address = parse_prefix(probe).value();
            has_left_out = has_left_out || (holds(inner, address) && !holds(outer, address));
            admits_ipv4 = admits_ipv4 || (address.family == Family::kIpv4 && holds(inner, address));
        }
        if (covers(outer, inner)) {
            ++covered;
            ASSERT_FALSE(has_left_out);
        }
        ASSERT_TRUE(!admits_ipv4 || admits(inner, Family::kIpv4));
    }
    EXPECT_GT(covered, 1000);
}

}  // namespace
}  // namespace fwctl::policy
