#include "generate/classbench.h"

#include <gtest/gtest.h>

#include "generate/policy.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::generate {
namespace {

using policy::Field;
using policy::Policy;
using policy::Rule;

Rule only(const char* text) {
    const auto policy = read_classbench(text);
    EXPECT_TRUE(policy) << policy.error().message;
    return policy && policy->rules.size() == 1 ? policy->rules[0] : Rule{};
}

TEST(ReadClassbench, ReadsALine) {
    const Rule rule =
        only("@192.0.2.0/24\t198.51.100.7/32\t1024 : 65535\t80 : 80\t0x06/0xFF\t0x0200/0x1200\t\n");
    EXPECT_EQ(rule.name, "line 1");
    EXPECT_EQ(rule.from.prefixes, std::vector{policy::parse_prefix("192.0.2.0/24").value()});
    EXPECT_EQ(rule.to.prefixes, std::vector{policy::parse_prefix("198.51.100.7").value()});
    EXPECT_EQ(rule.services, std::vector{policy::parse_service("tcp/80").value()});
    ASSERT_EQ(rule.fields.size(), 2U);
    EXPECT_EQ(rule.fields[0], (policy::FieldMatch{Field::kSourcePort, {{~0ULL, 1024, 65535}}}));
    EXPECT_EQ(rule.fields[1], (policy::FieldMatch{Field::kTcpFlags, {{0x12, 0x02, 0x02}}}));
}

TEST(ReadClassbench, ReadsWildcards) {
    const Rule rule = only("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x00/0x00");
    EXPECT_EQ(rule.services, std::vector{policy::Service{}});
    EXPECT_TRUE(rule.from.empty() && rule.to.empty() && rule.fields.empty());
}

TEST(ReadClassbench, ReadsTheTypeOfIcmp) {
    EXPECT_EQ(only("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x01/0xFF 0x0800/0xff00").services,
              std::vector{policy::parse_service("icmp/8").value()});
    EXPECT_EQ(only("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x01/0xFF 0x0000/0x0000").services,
              std::vector{policy::parse_service("icmp").value()});
    EXPECT_EQ(only("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x2f/0xFF 0x0000/0x0000").services,
              std::vector{policy::parse_service("gre").value()});
}

std::string error_of(const std::string& line) {
    const auto policy = read_classbench("\n" + line + "\n");
    return policy ? "none" : policy.error().message;
}

TEST(ReadClassbench, SaysWhichLineIsWrong) {
    EXPECT_EQ(error_of("@10.0.0.0/8 any"),
              "line 2: not \"@SOURCE DESTINATION PORT : PORT PORT : PORT PROTOCOL/MASK [FLAGS/MASK]\"");
    EXPECT_EQ(error_of("@2001:db8::/32 0.0.0.0/0 0 : 65535 0 : 65535 0x06/0xFF"),
              "line 2: \"2001:db8::/32\" is not an IPv4 prefix");
    EXPECT_EQ(error_of("@0.0.0.0/0 0.0.0.0/0 9 : 8 0 : 65535 0x06/0xFF"),
              "line 2: a range of ports ends before it begins, or above 65535");
    EXPECT_EQ(error_of("@0.0.0.0/0 0.0.0.0/0 0 : 65535 80 : 80 0x01/0xFF"),
              "line 2: ports of a protocol that has none");
    EXPECT_EQ(error_of("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x06/0xF0"),
              "line 2: the protocol's mask is neither 0xFF nor 0x00");
}

// Rules that the format has words for.
Policy sample(Mix mix) {
    Policy policy = generate_policy(mix, 1000, 1, Detail::kFiveTuple);
    std::erase_if(policy.rules, [](const Rule& rule) { return !write_classbench({.rules = {rule}}); });
    return policy;
}

TEST(WriteClassbench, IsReadBack) {
    for (const Mix mix : {Mix::kAcl, Mix::kFirewall, Mix::kWildcard}) {
        const Policy policy = sample(mix);
        EXPECT_GT(policy.rules.size(), 500U);
        const auto text = write_classbench(policy);
        ASSERT_TRUE(text) << text.error().message;
        const auto read = read_classbench(*text);
        ASSERT_TRUE(read) << read.error().message;
        ASSERT_EQ(read->rules.size(), policy.rules.size());
        for (std::size_t i = 0; i < policy.rules.size(); ++i) {
            EXPECT_TRUE(policy::same_match(read->rules[i], policy.rules[i]));
            EXPECT_EQ(read->rules[i].fields, policy.rules[i].fields);
            EXPECT_EQ(read->rules[i].name, "line " + std::to_string(i + 1));
        }
    }
}

TEST(WriteClassbench, RefusesWhatTheFormatHasNoWordsFor) {
    Rule rule;
    rule.name = "six";
    rule.services = {policy::Service{}};
    rule.from.prefixes = {policy::parse_prefix("2001:db8::/32").value()};
    EXPECT_EQ(write_classbench({.rules = {rule}}).error().message, "\"six\" says more than the format can");
}

}  // namespace
}  // namespace fwctl::generate
