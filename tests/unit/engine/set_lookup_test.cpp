#include "engine/set_lookup.h"

#include <gtest/gtest.h>

#include "policy/prefix.h"
#include "policy/prefix_list.h"

namespace fwctl::engine {
namespace {

std::string covering(const std::vector<std::string>& blocks, const std::string& address) {
    std::vector<policy::Prefix> prefixes;
    for (const std::string& block : blocks) prefixes.push_back(policy::parse_prefix(block).value());
    policy::reduce(prefixes);
    const auto found = find_covering(prefixes, policy::parse_prefix(address).value());
    return found ? policy::format_prefix(*found) : "none";
}

TEST(SetLookupTest, FindsTheBlock) {
    const std::vector<std::string> blocks = {"0.0.0.0/1", "192.0.2.0/24", "198.51.100.7", "2001:db8::/32"};
    EXPECT_EQ(covering(blocks, "1.2.3.4"), "0.0.0.0/1");
    EXPECT_EQ(covering(blocks, "192.0.2.255"), "192.0.2.0/24");
    EXPECT_EQ(covering(blocks, "198.51.100.7"), "198.51.100.7");
    EXPECT_EQ(covering(blocks, "198.51.100.8"), "none");
    EXPECT_EQ(covering(blocks, "2001:db8::1"), "2001:db8::/32");
    EXPECT_EQ(covering(blocks, "::1"), "none") << "another family";
    EXPECT_EQ(covering({}, "::1"), "none");
    EXPECT_EQ(covering({"::/0"}, "::1"), "::/0");
}

}  // namespace
}  // namespace fwctl::engine
