#include "policy/builtin.h"

#include <gtest/gtest.h>

#include "policy/print.h"
#include "policy/rule.h"

namespace fwctl::policy {
namespace {

TEST(Builtin, RulesAreTheseInThisOrder) {
    std::vector<std::string> lines;
    for (const Rule& rule : builtin_rules()) {
        lines.push_back(rule.name + ": " + describe(rule));
    }
    EXPECT_EQ(lines,
              (std::vector<std::string>{
                  "malformed: deny malformed packets",
                  "vlan-depth: deny packets with too many VLAN tags",
                  "header-chain: deny packets with too many IPv6 extension headers",
                  "arp: allow arp",
                  "neighbor-discovery: allow icmp6/133-137",
                  "icmp6-essential: allow icmp6/destination-unreachable, icmp6/3-4, icmp6/130-132, "
                  "icmp6/mld2-listener-report",
                  "packet-too-big: allow icmp/fragmentation-needed, icmp6/packet-too-big",
                  "dhcp-replies: allow udp/68 from port 67 over IPv4, udp/546 from port 547 over IPv6 in",
              }));
}

TEST(Builtin, RulesAreCanonicalAndExplained) {
    for (const Rule& rule : builtin_rules()) {
        EXPECT_EQ(canonical(rule), rule) << rule.name;
        EXPECT_EQ(rule.origin, Origin::kBuiltin) << rule.name;
        EXPECT_TRUE(check_name(rule.name).has_value()) << rule.name;
        const auto why = describe_builtin(rule.name);
        ASSERT_TRUE(why.has_value()) << rule.name;
        EXPECT_EQ(why->back(), '.') << rule.name;
    }
    EXPECT_EQ(describe_builtin("deny-icmp"), std::nullopt);
    EXPECT_EQ(describe_builtin("arp"), "Without ARP no IPv4 neighbour is found (RFC 826).");
}

TEST(Builtin, TheFirstAreJudgedByTheParser) {
    const std::vector<Rule> rules = builtin_rules();
    for (std::size_t i = 0; i < rules.size(); ++i) {
        EXPECT_EQ(judged_by_parser(rules[i]).has_value(), i < kParserRules) << rules[i].name;
    }
    Rule live = rules.front();
    live.origin = Origin::kLive;
    EXPECT_EQ(judged_by_parser(live), std::nullopt);
}

}  // namespace
}  // namespace fwctl::policy
