#include "policy/builtin.h"

#include <gtest/gtest.h>

#include "policy/parse.h"
#include "policy/print.h"
#include "policy/rule.h"

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

TEST(Builtin, RulesAreTheseInThisOrder) {
    std::vector<std::string> lines;
    for (const Rule& rule : builtin_rules()) {
        lines.push_back(rule.name + ": " + describe(rule));
    }
    EXPECT_EQ(lines, (std::vector<std::string>{
                         "malformed: deny malformed packets",
                         "vlan-depth: deny packets with too many VLAN tags",
                         "header-chain: deny packets with too many IPv6 extension headers",
                         "arp: allow any ethertype arp",
                         "neighbor-discovery: allow icmp6/133-137",
                         "icmp6-essential: allow icmp6/destination-unreachable, icmp6/3-4, icmp6/130-132, "
                         "icmp6/mld2-listener-report",
                         "packet-too-big: allow icmp/fragmentation-needed, icmp6/packet-too-big",
                         "dhcp-replies: allow udp/68 sport 67 ethertype ip in",
                         "dhcpv6-replies: allow udp/546 sport 547 ethertype ip6 in",
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

Words names(const std::vector<Rule>& rules) {
    Words names;
    for (const Rule& rule : rules) {
        names.push_back(rule.name);
    }
    return names;
}

TEST(EffectiveRules, StandInTheOrderInWhichTheyAreAsked) {
    const Policy policy = parse_policy(R"(version = 1
[defaults]
lockout = { from = "@admins", service = "tcp/22" }
[builtin]
arp = false
malformed = false
[[rule]]
name = "of the file"
action = "deny"
)",
                                       "p.toml")
                              .value();
    Rule live;
    live.name = "live";
    EXPECT_EQ(names(effective_rules(policy, {live})),
              (Words{"lockout", "lockout-replies", "vlan-depth", "header-chain", "neighbor-discovery",
                     "icmp6-essential", "packet-too-big", "dhcp-replies", "dhcpv6-replies", "live",
                     "of the file"}));
    EXPECT_EQ(effective_rules(Policy{}, {}), builtin_rules());
}

TEST(EffectiveRules, LetTheAdministratorsInAndTheRepliesOut) {
    const Policy policy = parse_policy(R"(version = 1
[defaults]
lockout = { from = ["@admins", "192.0.2.0/24"], service = ["tcp/22", "udp/5000-5010", "sctp"] }
)",
                                       "p.toml")
                              .value();
    const std::vector<Rule> rules = effective_rules(policy, {});
    EXPECT_EQ(describe(rules[0]), "allow tcp/22, udp/5000-5010, sctp from 192.0.2.0/24, @admins in");
    EXPECT_EQ(describe(rules[1]),
              "allow tcp from port 22, udp from port 5000-5010, sctp to 192.0.2.0/24, @admins out");
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(rules[i].origin, Origin::kBuiltin);
        EXPECT_EQ(canonical(rules[i]), rules[i]);
        EXPECT_EQ(judged_by_parser(rules[i]), std::nullopt);
        EXPECT_TRUE(describe_builtin(rules[i].name).has_value());
    }
}

}  // namespace
}  // namespace fwctl::policy
