#include "policy/vip.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "generate/random.h"
#include "policy/addresses.h"
#include "policy/prefix.h"
#include "policy/service.h"

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

Vip vip(const Words& addresses, const Words& services) {
    Vip vip;
    for (const std::string& word : addresses) vip.addresses.push_back(parse_prefix(word).value());
    for (const std::string& word : services) vip.services.push_back(parse_service(word).value());
    return canonical(std::move(vip));
}

Backend backend(const char* name, const Words& addresses) {
    Backend backend;
    backend.name = name;
    for (const std::string& word : addresses) backend.addresses.push_back(parse_prefix(word).value());
    return backend;
}

TEST(Vips, HaveOneForm) {
    Vip web = vip({"2001:db8::1", "203.0.113.1", "203.0.113.0/24", "203.0.113.1"},
                  {"udp/5500", "tcp", "udp/5000-6000"});
    web.backends = {backend("b", {"2001:db8::2", "10.0.0.2"}), backend("a", {"10.0.0.1"})};
    web = canonical(std::move(web));
    EXPECT_EQ(prefix_words(web.addresses), (Words{"203.0.113.0/24", "2001:db8::1"}));
    ASSERT_EQ(web.services.size(), 2U);
    EXPECT_EQ(format_service(web.services[1]), "udp/5000-6000");
    EXPECT_EQ(web.backends[0].name, "a");
    EXPECT_EQ(prefix_words(web.backends[1].addresses), (Words{"10.0.0.2", "2001:db8::2"}));
    EXPECT_EQ(canonical(web), web);
}

TEST(Vips, HaveNames) {
    for (const char* name : {"web", "web-1_a", "0"}) EXPECT_TRUE(check_vip_name(name)) << name;
    for (const char* name : {"", "Web", "a.b", "a b", "a/b"}) EXPECT_FALSE(check_vip_name(name)) << name;
    EXPECT_TRUE(check_vip_name(std::string(63, 'a')));
    EXPECT_FALSE(check_vip_name(std::string(64, 'a')));
    for (const char* name : {"web1.example.org", "Web_1-a"}) EXPECT_TRUE(check_backend_name(name)) << name;
    for (const char* name : {"", "a b", "a/b", "a:b"}) EXPECT_FALSE(check_backend_name(name)) << name;
}

std::string error_of(const Status& status) {
    return status ? "no error" : status.error().message;
}

TEST(Vips, HaveAddressesThatPacketsFromElsewhereCanHave) {
    const auto as_vip = [](const char* word) {
        return error_of(check_vip_address(parse_prefix(word).value()));
    };
    for (const char* word :
         {"203.0.113.10", "10.0.0.0/8", "2001:db8::/32", "2001::/16", "223.255.255.255", "1.0.0.0"})
        EXPECT_EQ(as_vip(word), "no error");
    EXPECT_EQ(as_vip("127.0.0.1"), "127.0.0.1: a vip cannot have loopback addresses");
    EXPECT_EQ(as_vip("127.0.0.0/8"), "127.0.0.0/8: a vip cannot have loopback addresses");
    EXPECT_EQ(as_vip("239.1.0.0/16"), "239.1.0.0/16: a vip cannot have multicast addresses");
    EXPECT_EQ(as_vip("255.0.0.0/8"), "255.0.0.0/8: a vip cannot have broadcast addresses");
    EXPECT_EQ(as_vip("0.0.0.0"), "0.0.0.0: a vip cannot have unspecified addresses");
    EXPECT_EQ(as_vip("::1"), "::1: a vip cannot have loopback addresses");
    EXPECT_EQ(as_vip("::/16"), "::/16: a vip cannot have unspecified addresses");
    EXPECT_EQ(as_vip("ff02::1"), "ff02::1: a vip cannot have multicast addresses");
    EXPECT_EQ(as_vip("10.0.0.0/7"),
              "10.0.0.0/7: a vip's block has a length of at least 8 in IPv4 and 16 in IPv6");
    EXPECT_EQ(as_vip("2000::/15"),
              "2000::/15: a vip's block has a length of at least 8 in IPv4 and 16 in IPv6");
    EXPECT_EQ(as_vip("::/0"), "::/0: a vip's block has a length of at least 8 in IPv4 and 16 in IPv6");
    EXPECT_EQ(error_of(check_backend_address(parse_prefix("224.0.0.1").value())),
              "224.0.0.1: a backend cannot have multicast addresses");
}

TEST(Vips, AreNamedByTests) {
    EXPECT_EQ(vip_of_expectation("balance web"), "web");
    EXPECT_EQ(vip_of_expectation("balance "), "");
    EXPECT_EQ(vip_of_expectation("balance"), std::nullopt);
    EXPECT_EQ(vip_of_expectation("allow"), std::nullopt);
}

TEST(Vips, OverlapWhereAddressesAndPortsDo) {
    const auto overlap = [](const Vip& one, const Vip& other) {
        const auto found = find_overlaps({one, other});
        return found.empty() ? "none"
                             : format_service(found[0].service) + " of " + format_prefix(found[0].block);
    };
    const Vip web = vip({"203.0.113.10", "2001:db8::10"}, {"tcp/80", "udp/5000-6000"});
    EXPECT_EQ(overlap(web, web), "tcp/80 of 203.0.113.10");
    EXPECT_EQ(overlap(web, vip({"203.0.113.0/24"}, {"udp/5900-6100"})), "udp/5900-6000 of 203.0.113.10");
    EXPECT_EQ(overlap(vip({"2001:db8::/32"}, {"tcp"}), web), "tcp/80 of 2001:db8::10");
    EXPECT_EQ(overlap(vip({"203.0.113.0/28"}, {"tcp"}), vip({"203.0.113.0/24"}, {"tcp"})),
              "tcp of 203.0.113.0/28");
    EXPECT_EQ(overlap(web, vip({"203.0.113.11"}, {"tcp"})), "none");
    EXPECT_EQ(overlap(web, vip({"203.0.113.10"}, {"tcp/81", "udp/6001", "sctp"})), "none");
}

// Against every pair of blocks and services.
TEST(Vips, OverlapAsTheirPartsDo) {
    generate::Random random(5);
    const Words addresses = {"10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/24",   "10.1.0.1",
                             "10.1.0.2",   "10.2.0.0/16", "2001:db8::/32", "2001:db8::1"};
    const Words services = {"tcp", "tcp/80", "tcp/80-90", "udp/85", "udp/80-90", "sctp"};
    for (int i = 0; i < 300; ++i) {
        std::vector<Vip> vips;
        for (int count = 6; count > 0; --count) {
            Words some;
            for (std::uint64_t j = random.between(1, 3); j > 0; --j) some.push_back(random.pick(addresses));
            vips.push_back(vip(some, {random.pick(services), random.pick(services)}));
        }
        std::set<std::pair<std::size_t, std::size_t>> expected;
        const auto meet = [](const auto& one, const auto& other) {
            return covers(one, other) || covers(other, one);
        };
        for (std::size_t one = 0; one < vips.size(); ++one)
            for (std::size_t other = one + 1; other < vips.size(); ++other)
                for (const Prefix& block : vips[one].addresses)
                    for (const Service& service : vips[one].services)
                        if (std::any_of(vips[other].addresses.begin(), vips[other].addresses.end(),
                                        [&](const Prefix& its) { return meet(block, its); }) &&
                            std::any_of(vips[other].services.begin(), vips[other].services.end(),
                                        [&](const Service& its) { return meet(service, its); }))
                            expected.emplace(one, other);
        std::set<std::pair<std::size_t, std::size_t>> found;
        for (const Overlap& overlap : find_overlaps(vips)) {
            EXPECT_TRUE(found.emplace(overlap.one, overlap.other).second) << "each pair once";
            for (const std::size_t index : {overlap.one, overlap.other}) {
                const Vip& side = vips[index];
                EXPECT_TRUE(std::any_of(side.addresses.begin(), side.addresses.end(),
                                        [&](const Prefix& its) { return covers(its, overlap.block); }));
                EXPECT_TRUE(std::any_of(side.services.begin(), side.services.end(),
                                        [&](const Service& its) { return covers(its, overlap.service); }));
            }
        }
        ASSERT_EQ(found, expected);
    }
}

}  // namespace
}  // namespace fwctl::policy
