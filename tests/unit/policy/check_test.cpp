#include "policy/check.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "policy/rule.h"
#include "policy/schema.h"

namespace fwctl::policy {
namespace {

using Written = std::map<std::string, std::vector<std::string>>;

// "key: message" of the first contradiction.
std::string found(const Written& written, void (*change)(Rule&) = nullptr) {
    Rule rule;
    for (const auto& [key, words] : written) {
        for (const std::string& word : words) {
            const Status added = find_rule_key(key)->add(rule, word);
            EXPECT_TRUE(added.has_value()) << key << " " << word;
        }
    }
    if (change != nullptr) {
        change(rule);
    }
    const auto contradiction = find_contradiction(canonical(std::move(rule)));
    return contradiction ? std::string(contradiction->key) + ": " + contradiction->message : "";
}

void to_eth1(Rule& rule) {
    rule.redirect = Redirect{"eth1", std::nullopt};
}

void via_ipv4(Rule& rule) {
    rule.redirect = Redirect{"", Prefix{Family::kIpv4, 32, {192, 0, 2, 1}}};
}

TEST(FindContradiction, KeysBelongToTheirActions) {
    EXPECT_EQ(found({{"action", {"reject"}}, {"reject", {"port-unreachable"}}}), "");
    EXPECT_EQ(found({{"action", {"deny"}}, {"reject", {"port-unreachable"}}}),
              "reject: \"reject\" goes with action = \"reject\" alone");
    EXPECT_EQ(found({{"action", {"deny"}}}, to_eth1),
              "redirect: \"redirect\" goes with action = \"redirect\" alone");
    EXPECT_EQ(found({{"action", {"log"}}, {"sample", {"100"}}}), "");
    EXPECT_EQ(found({{"action", {"count"}}, {"sample", {"100"}}}),
              "sample: \"sample\" goes with action = \"log\" alone");
}

TEST(FindContradiction, ARedirectSaysWhere) {
    EXPECT_EQ(found({{"action", {"redirect"}}}, to_eth1), "");
    EXPECT_EQ(found({{"action", {"redirect"}}}),
              "action: where to? add redirect = { to = \"eth1\" } or redirect = { via = \"192.0.2.1\" }");
    EXPECT_EQ(found({{"action", {"redirect"}}, {"direction", {"out"}}}, to_eth1),
              "direction: a packet that goes out cannot be redirected; write direction = \"in\"");
    EXPECT_EQ(found({{"action", {"redirect"}}, {"to", {"10.0.0.0/8"}}}, via_ipv4), "");
    EXPECT_EQ(found({{"action", {"redirect"}}, {"to", {"2001:db8::/32"}}}, via_ipv4),
              "redirect: 192.0.2.1 is no neighbour for packets of another IP version");
}

TEST(FindContradiction, SynproxyIsForTcpThatComesIn) {
    const auto synproxy = [](Written more) {
        more["action"] = {"synproxy"};
        return found(more);
    };
    EXPECT_EQ(synproxy({{"service", {"tcp/80", "tcp/443"}}}), "");
    EXPECT_EQ(synproxy({{"service", {"tcp"}}, {"direction", {"in"}}, {"sport", {"1024-65535"}}}), "");
    EXPECT_EQ(synproxy({}), "action: synproxy is for TCP; add service = \"tcp/443\", or another one");
    EXPECT_EQ(synproxy({{"service", {"tcp/53", "udp/53"}}}),
              "action: synproxy is for TCP, which udp/53 is not");
    EXPECT_EQ(synproxy({{"service", {"tcp/80"}}, {"direction", {"out"}}}),
              "direction: synproxy answers who comes in, not this host; write direction = \"in\"");
    EXPECT_EQ(found({{"action", {"synproxy"}}, {"service", {"tcp/80"}}},
                    [](Rule& rule) {
                        rule.ban = Ban{"banned", {}};
                    }),
              "ban: synproxy bans nobody: who has sent a SYN is not known");
}

// SYN, ACK and data are matched by the same rule: what tells them apart would lock every client out.
TEST(FindContradiction, SynproxyMatchesTheWholeHandshake) {
    const auto with = [](const std::string& key, const std::vector<std::string>& words) {
        return found({{"action", {"synproxy"}}, {"service", {"tcp/80"}}, {key, words}});
    };
    const std::string flags =
        "flags: synproxy does not go with \"flags\": SYNs and the ACKs that answer them differ in their "
        "flags; "
        "leave it out";
    EXPECT_EQ(with("flags", {"syn+!ack"}), flags);
    EXPECT_EQ(with("flags", {"syn", "ack"}), flags);
    const std::string state =
        "state: synproxy does not go with \"state\": it looks itself at what is part of a connection and "
        "what "
        "opens one; leave it out";
    EXPECT_EQ(with("state", {"new"}), state);
    EXPECT_EQ(with("state", {"established", "new"}), state);
    EXPECT_EQ(with("length", {"40-60"}),
              "length: synproxy does not go with \"length\": SYNs and the ACKs that answer them differ in "
              "length; leave it out");
    EXPECT_EQ(
        with("fragment", {"first"}),
        "fragment: synproxy does not go with \"fragment\": it takes whole segments alone; leave it out");
}

TEST(FindContradiction, FieldsNeedTheirProtocols) {
    EXPECT_EQ(found({{"sport", {"53"}}}), "");
    EXPECT_EQ(found({{"sport", {"53"}}, {"service", {"udp", "tcp/22", "sctp"}}}), "");
    EXPECT_EQ(found({{"sport", {"53"}}, {"service", {"icmp"}}}),
              "sport: \"sport\" needs tcp, udp or sctp, which icmp is not");
    EXPECT_EQ(found({{"sport", {"53"}}, {"service", {"udp", "gre"}}}),
              "sport: \"sport\" needs tcp, udp or sctp, which gre is not");
    EXPECT_EQ(found({{"flags", {"syn"}}, {"service", {"tcp/22"}}}), "");
    EXPECT_EQ(found({{"flags", {"syn"}}, {"service", {"udp/53"}}}),
              "flags: \"flags\" needs tcp, which udp/53 is not");
}

TEST(FindContradiction, AResetAnswersTcp) {
    const std::string refused =
        "reject: tcp-reset answers TCP alone; write service = \"tcp\", or reject = \"auto\"";
    const auto reset = [](Written written) {
        written["action"] = {"reject"};
        written["reject"] = {"tcp-reset"};
        return found(written);
    };
    EXPECT_EQ(reset({{"service", {"tcp/22", "tcp/80"}}}), "");
    EXPECT_EQ(reset({{"flags", {"syn"}}}), "");
    EXPECT_EQ(reset({{"service", {"tcp/22", "udp/53"}}}), refused);
    EXPECT_EQ(reset({}), refused);
}

TEST(FindContradiction, LaterFragmentsHaveNoHeader) {
    const std::string refused =
        "fragment: the rule can never match: later fragments have no ports, types or flags";
    EXPECT_EQ(found({{"fragment", {"later"}}, {"service", {"udp"}}}), "");
    EXPECT_EQ(found({{"fragment", {"any"}}, {"service", {"udp/53"}}}), "");
    EXPECT_EQ(found({{"fragment", {"later"}}, {"service", {"udp/53", "icmp"}}}), "");
    EXPECT_EQ(found({{"fragment", {"later"}}, {"service", {"udp/53", "icmp/8"}}}), refused);
    EXPECT_EQ(found({{"fragment", {"later"}}, {"sport", {"53"}}}), refused);
    EXPECT_EQ(found({{"fragment", {"later"}}, {"flags", {"syn"}}}), refused);
}

TEST(FindContradiction, PartsHaveToMeet) {
    const std::string versions =
        ": the rule can never match: its services and addresses are of different IP versions";
    EXPECT_EQ(found({{"service", {"icmp"}}, {"from", {"2001:db8::/32"}}}), versions);
    EXPECT_EQ(found({{"service", {"icmp"}}, {"from", {"2001:db8::/32", "@a"}}}), "");
    EXPECT_EQ(found({{"service", {"icmp"}}, {"from", {"!0.0.0.0/0"}}}), versions);
    EXPECT_EQ(found({{"from", {"10.0.0.0/8", "!10.0.0.0/8"}}}), "from: \"from\" excepts all that it names");
    EXPECT_EQ(found({{"to", {"@a", "!@a"}}}), "to: \"to\" excepts all that it names");
    EXPECT_EQ(found({{"from", {"!0.0.0.0/0", "!::/0"}}}), "from: \"from\" excepts all that it names");
}

TEST(FindContradiction, EthertypesHaveToMeetTheRest) {
    const std::string refused =
        "ethertype: the rule can never match: what else it asks for, IP packets alone have";
    EXPECT_EQ(found({{"ethertype", {"arp"}}}), "");
    EXPECT_EQ(
        found(
            {{"ethertype", {"arp"}}, {"mac", {"52:54:00:12:34:56"}}, {"vlan", {"none"}}, {"length", {"64"}}}),
        "");
    EXPECT_EQ(found({{"ethertype", {"arp"}}, {"service", {"tcp"}}}), refused);
    EXPECT_EQ(found({{"ethertype", {"arp"}}, {"from", {"10.0.0.1"}}}), refused);
    EXPECT_EQ(found({{"ethertype", {"arp"}}, {"ttl", {"1"}}}), refused);
    EXPECT_EQ(found({{"ethertype", {"arp", "ip"}}, {"ttl", {"1"}}}), "");
    EXPECT_EQ(found({{"ethertype", {"ip6"}}, {"service", {"icmp"}}}),
              ": the rule can never match: its services and addresses are of different IP versions");
}

}  // namespace
}  // namespace fwctl::policy
