#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "import/import.h"
#include "policy/evaluate.h"
#include "policy/print.h"
#include "read_back.h"

namespace fwctl::importer {
namespace {

// As nft 1.0.6 prints it.
constexpr std::string_view kRuleset = R"(table inet filter {
	set admins {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8,
			     192.0.2.5-192.0.2.6 }
	}

	set banned {
		type ipv6_addr
		size 1000
		flags dynamic,timeout
		timeout 10m
		elements = { 2001:db8::9 timeout 5m expires 4m55s304ms }
	}

	set ports {
		type inet_service
		flags interval
		elements = { 22, 8000-8010 }
	}

	chain input { # handle 1
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state vmap { invalid : drop, established : accept, related : accept }
		ip6 saddr @banned counter packets 0 bytes 0 drop
		ip saddr @admins tcp dport @ports accept comment "admins"
		icmp type { destination-unreachable, echo-request } accept
		ip6 nexthdr ipv6-icmp accept
		tcp flags syn / fin,syn,rst,ack tcp dport 443 limit rate 10/second accept
		meta l4proto { tcp, udp } th dport 53 jump dns # handle 9
		log prefix "in: " reject with icmpx admin-prohibited
	}

	chain dns {
		ip saddr != 10.0.0.0/8 return
		accept
	}

	chain output {
		type filter hook output priority filter; policy accept;
		oifname "wg*" udp dport != 51820 counter packets 1 bytes 2
	}
}
table ip nat {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 80 dnat to 10.0.0.2
	}
}
)";

// The same ruleset as nft -j prints it, without handles.
constexpr std::string_view kJson = R"({"nftables": [{"metainfo": {"version": "1.0.6"}},
{"table": {"family": "inet", "name": "filter"}},
{"set": {"family": "inet", "name": "admins", "table": "filter", "type": "ipv4_addr", "flags": ["interval"],
 "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, {"range": ["192.0.2.5", "192.0.2.6"]}]}},
{"set": {"family": "inet", "name": "banned", "table": "filter", "type": "ipv6_addr", "size": 1000,
 "flags": ["timeout"], "timeout": 600, "elem": [{"elem": {"val": "2001:db8::9", "timeout": 300, "expires": 295}}]}},
{"set": {"family": "inet", "name": "ports", "table": "filter", "type": "inet_service", "flags": ["interval"],
 "elem": [22, {"range": [8000, 8010]}]}},
{"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
{"chain": {"family": "inet", "table": "filter", "name": "dns"}},
{"chain": {"family": "inet", "table": "filter", "name": "output", "type": "filter", "hook": "output", "prio": 0, "policy": "accept"}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
 {"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}, {"accept": null}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [{"vmap": {"key": {"ct": {"key": "state"}},
 "data": {"set": [["invalid", {"drop": null}], ["established", {"accept": null}], ["related", {"accept": null}]]}}}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
 {"match": {"op": "==", "left": {"payload": {"protocol": "ip6", "field": "saddr"}}, "right": "@banned"}},
 {"counter": {"packets": 0, "bytes": 0}}, {"drop": null}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "comment": "admins", "expr": [
 {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@admins"}},
 {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": "@ports"}}, {"accept": null}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
 {"match": {"op": "==", "left": {"payload": {"protocol": "icmp", "field": "type"}},
  "right": {"set": ["destination-unreachable", "echo-request"]}}}, {"accept": null}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
 {"match": {"op": "==", "left": {"payload": {"protocol": "ip6", "field": "nexthdr"}}, "right": "ipv6-icmp"}}, {"accept": null}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
 {"match": {"op": "==", "left": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["fin", "syn", "rst", "ack"]]}, "right": "syn"}},
 {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 443}},
 {"limit": {"rate": 10, "burst": 5, "per": "second"}}, {"accept": null}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
 {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": {"set": ["tcp", "udp"]}}},
 {"match": {"op": "==", "left": {"payload": {"protocol": "th", "field": "dport"}}, "right": 53}}, {"jump": {"target": "dns"}}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
 {"log": {"prefix": "in: "}}, {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "dns", "expr": [
 {"match": {"op": "!=", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "10.0.0.0", "len": 8}}}},
 {"return": null}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "dns", "expr": [{"accept": null}]}},
{"rule": {"family": "inet", "table": "filter", "chain": "output", "expr": [
 {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "wg*"}},
 {"match": {"op": "!=", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 51820}},
 {"counter": {"packets": 1, "bytes": 2}}]}},
{"table": {"family": "ip", "name": "nat"}},
{"chain": {"family": "ip", "table": "nat", "name": "prerouting", "type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}},
{"rule": {"family": "ip", "table": "nat", "chain": "prerouting", "expr": [
 {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}}, {"dnat": {"addr": "10.0.0.2"}}]}}
]})";

Imported translate(std::string_view text) {
    const auto imported = import_nft(text, "ruleset.nft");
    if (!imported) {
        ADD_FAILURE() << imported.error().message;
        return {};
    }
    return *imported;
}

std::string words_of(const policy::Policy& policy) {
    std::string words;
    for (const policy::Rule& rule : policy.rules) {
        words += (words.empty() ? "" : "; ") + policy::describe(rule);
    }
    return words;
}

// One rule of a chain whose policy is accept.
Imported one_rule(const std::string& family, const std::string& hook, const std::string& rule) {
    return translate(
        "table " + family +
        " t {\n set empty {\n type ipv4_addr\n }\n set v4 {\n type ipv4_addr\n elements = { 1.2.3.4 }\n }\n" +
        " set names {\n type ifname\n elements = { \"eth0\", \"eth1\" }\n }\n set known {\n type ct_state\n "
        "elements = { established, related }\n }\n chain next {\n drop\n }\n" +
        " chain c {\n type filter hook " + hook + " priority 0; policy accept;\n" + rule + "\n }\n}\n");
}

TEST(Nft, BecomesAPolicyThatSaysWhatItLacks) {
    const Imported imported = translate(kRuleset);
    EXPECT_EQ(imported.translated, 12U);
    EXPECT_EQ(imported.left_out, 1U);
    EXPECT_EQ(
        imported.toml,
        R"(# Translated by fwctl from nft list ruleset as ruleset.nft has it; rules translated: 12, left out: 1.
#
# The original judges what this host itself receives and sends. fwctl asks these rules of all that comes in or
# goes out by an interface that it is attached to, also of what is only forwarded.
# The original sees datagrams whole. fwctl sees their fragments: those behind the first have its ports and
# state, but no TCP flags set, when it was let pass before them, else they are `untracked` and match no rule
# on ports.
# fwctl follows flows itself, from when this policy is applied and by what attached interfaces see: a
# connection that is older is `new` with its next packet. docs/conntrack.md says where states differ.
# fwctl's built-in rules are asked before these: ARP, neighbour discovery, essential ICMP and answers of DHCP
# servers pass, malformed packets do not.
# What is neither IP nor ARP, which the original does not judge, is denied with the rest.

version = 1

[defaults]
in = "deny"

[set.admins]
elements = ["10.0.0.0/8", "192.0.2.5", "192.0.2.6"]

# The members of inet filter banned (1) are not here: `fwctl set add` puts them in.
[set.banned]
dynamic = true
timeout = "10m"
size = 1000

[[rule]]
name = "input 1"
action = "allow"
ethertype = ["ip", "ip6"]
on = "lo"
direction = "in"

[[rule]]
name = "input 2"
action = "deny"
state = "invalid"
direction = "in"

[[rule]]
name = "input 2/2"
action = "allow"
state = ["established", "related"]
direction = "in"

[[rule]]
name = "input 3"
action = "deny"
from = "@banned"
ethertype = "ip6"
direction = "in"

[[rule]]
name = "admins"
action = "allow"
service = ["tcp/22", "tcp/8000-8010"]
from = "@admins"
ethertype = "ip"
direction = "in"

[[rule]]
name = "input 5"
action = "allow"
service = ["icmp/destination-unreachable", "icmp/echo-request"]
direction = "in"

# fwctl looks for the protocol behind all extension headers.
[[rule]]
name = "input 6"
action = "allow"
service = "icmp6"
direction = "in"

[[rule]]
name = "input 7"
action = "allow"
service = "tcp/443"
flags = "!fin+syn+!rst+!ack"
direction = "in"
rate = "under 10/second burst 5"

[[rule]]
name = "dns 2"
action = "allow"
service = ["tcp/53", "udp/53"]
ethertype = "ip6"
direction = "in"

[[rule]]
name = "dns 2/2"
action = "allow"
service = ["tcp/53", "udp/53"]
from = "10.0.0.0/8"
direction = "in"

[[rule]]
name = "input 9 log"
comment = "in: "
action = "log"
ethertype = ["ip", "ip6"]
direction = "in"

[[rule]]
name = "input 9"
comment = "in: "
action = "reject"
reject = "admin-prohibited"
ethertype = ["ip", "ip6"]
direction = "in"

[[rule]]
name = "output 1"
action = "count"
service = ["udp/0-51819", "udp/51821-65535"]
on = "wg*"
direction = "out"

# ruleset.nft:49: tcp dport 80 dnat to 10.0.0.2: chains of type nat change addresses, which fwctl does not
)");
    read_back(imported.toml);
}

TEST(Nft, JsonIsTranslatedToTheSameRules) {
    const Imported text = translate(kRuleset);
    const Imported json = translate(kJson);
    EXPECT_EQ(json.translated, text.translated);
    EXPECT_EQ(json.left_out, text.left_out);
    EXPECT_EQ(read_back(json.toml), read_back(text.toml)) << json.toml;
    EXPECT_NE(json.toml.find("# ruleset.nft: ip nat prerouting, rule 1: [{\"match\":"), std::string::npos)
        << json.toml;
}

TEST(Nft, MatchesAreSaidInWordsOfTheLanguage) {
    const std::vector<std::pair<const char*, const char*>> kWords = {
        {"drop", "deny any ethertype ip, ip6 in"},
        {"iifname \"eth*\" drop", "deny any ethertype ip, ip6 on eth* in"},
        {"iifname { \"eth0\", \"wan\" } drop", "deny any ethertype ip, ip6 on eth0, wan in"},
        {"iifname @names drop", "deny any ethertype ip, ip6 on eth0, eth1 in"},
        {"oifname \"eth0\" drop", ""},
        {"oifname != \"eth0\" drop", "deny any ethertype ip, ip6 in"},
        {"ip saddr 10.0.0.0/8 drop", "deny any from 10.0.0.0/8 in"},
        {"ip saddr != { 1.2.3.4, 10.0.0.0/8 } drop", "deny any from !10.0.0.0/8, !1.2.3.4 ethertype ip in"},
        {"ip saddr 10.0.0.4-10.0.0.8 drop", "deny any from 10.0.0.4/30, 10.0.0.8 in"},
        {"ip daddr != @v4 drop", "deny any to !@v4 ethertype ip in"},
        {"ip saddr @empty drop", "deny any from @empty ethertype ip in"},
        {"ip6 daddr fe80::/10 drop", "deny any to fe80::/10 in"},
        {"ip protocol tcp drop", "deny tcp ethertype ip in"},
        {"meta l4proto { gre, 50 } drop", "deny gre, esp in"},
        {"meta l4proto ipv6-icmp drop", "deny 58 in"},
        {"meta nfproto ipv6 drop", "deny any ethertype ip6 in"},
        {"tcp dport { 22, 80-90 } drop", "deny tcp/22, tcp/80-90 in"},
        {"tcp dport != 22 drop", "deny tcp/0-21, tcp/23-65535 in"},
        {"udp sport >= 1024 drop", "deny udp sport 1024-65535 in"},
        {"udp sport < 1024 drop", "deny udp sport 0-1023 in"},
        {"icmp type destination-unreachable icmp code frag-needed drop", "deny icmp/fragmentation-needed in"},
        {"icmpv6 type 1-3 drop", "deny icmp6/1-3 in"},
        {"tcp flags syn drop", "deny tcp flags syn in"},
        {"tcp flags syn,ack drop", "deny tcp flags syn, ack in"},
        {"tcp flags ! syn,ack drop", "deny tcp flags !syn+!ack in"},
        {"tcp flags == syn drop", "deny tcp flags !fin+syn+!rst+!psh+!ack+!urg+!ece+!cwr in"},
        {"tcp flags & (fin | syn | rst | ack) == syn drop", "deny tcp flags !fin+syn+!rst+!ack in"},
        {"tcp flags != syn / fin,syn drop", "deny tcp flags fin, !syn in"},
        {"tcp flags & (syn | ack) == 0x0 drop", "deny tcp flags !syn+!ack in"},
        {"ip ttl < 5 drop", "deny any ttl 0-4 ethertype ip in"},
        {"ip ttl gt 64 drop", "deny any ttl 65-255 ethertype ip in"},
        {"ip6 hoplimit != 255 drop", "deny any ttl 0-254 ethertype ip6 in"},
        {"tcp dport 22 limit rate over 3/minute burst 5 packets drop",
         "deny tcp/22 over 3/minute burst 5 in"},
        {"udp dport 53 limit rate 400/second counter accept", "allow udp/53 under 400/second burst 5 in"},
        {"ip dscp { ef, cs1, 0x03 } drop", "deny any dscp 3, cs1, ef ethertype ip in"},
        {"ip length 0-100 drop", "deny any length 0-100 ethertype ip in"},
        {"ip6 length 10 drop", "deny any length 50 ethertype ip6 in"},
        {"ip frag-off & 8191 != 0 drop", "deny any fragment later ethertype ip in"},
        {"ip frag-off & 0x3fff == 0 drop", "deny any fragment no ethertype ip in"},
        {"exthdr frag exists drop", "deny any fragment atomic, any ethertype ip6 in"},
        {"ether saddr 52:54:00:12:34:56 drop", "deny any mac 52:54:00:12:34:56 ethertype ip, ip6 in"},
        {"ct state established,related accept", "allow any state established, related in"},
        {"ct state { established, related } accept", "allow any state established, related in"},
        {"ct state new,invalid drop", "deny any state new, invalid in"},
        {"ct state != { invalid, new, untracked } accept", "allow any state established, related in"},
        {"ct state != established drop", "deny any state untracked, new, related, invalid in"},
        {"ct state ! established,related drop", "deny any state untracked, new, invalid in"},
        {"ct state != established | related counter", "count any ethertype ip, ip6 in"},
        {"ct state == established | related drop", ""},
        {"ct state & (new | untracked) != 0 drop", "deny any state untracked, new in"},
        {"ct state != established / established,new drop",
         "deny any state untracked, new, related, invalid in"},
        {"ct state >= 0x8 drop", "deny any state untracked, new in"},
        {"ct state @known accept", "allow any state established, related in"},
        {"ip saddr 10.0.0.0/8 ct state new tcp dport 22 limit rate 3/minute accept",
         "allow tcp/22 under 3/minute burst 5 from 10.0.0.0/8 state new in"},
        {"ct state vmap { established : accept, invalid : drop, related : accept, new : jump next }",
         "allow any state established, related in; deny any state invalid in; deny any state new in"},
        {"ct state vmap { new : continue, established | related : drop }", ""},
        {"tcp dport vmap { 22 : accept, 80-90 : jump next, 100 : accept }",
         "allow tcp/22, tcp/100 in; deny tcp/80-90 in"},
        {"iifname vmap { \"lo\" : accept, \"eth0\" : goto next }",
         "allow any ethertype ip, ip6 on lo in; deny any ethertype ip, ip6 on eth0 in"},
        {"ip6 saddr vmap { 2001:db8::/32 : drop, ::1 : return }",
         "deny any from 2001:db8::/32 in; allow any from ::1 in"},
        {"counter log prefix \"x\" ct state vmap { new : drop }",
         "log any ethertype ip, ip6 in; deny any state new in"},
        {"tcp dport 22 reject", "reject tcp/22 in with port-unreachable"},
        {"reject with icmp host-unreachable", "reject any ethertype ip in with host-unreachable"},
        {"reject with tcp reset", "reject tcp in with tcp-reset"},
        {"log prefix \"x\" level debug flags tcp sequence,options tcp dport 1 drop",
         "log any ethertype ip, ip6 in; deny tcp/1 in"},
        {"tcp dport 1 counter", "count tcp/1 in"},
        {"tcp dport 1 jump next", "deny tcp/1 in"},
        {"tcp dport 1 goto next", "deny tcp/1 in"},
        {"tcp dport 1 return", "allow tcp/1 in"},
        {"udp dport 1 continue", ""},
    };
    for (const auto& [rule, words] : kWords) {
        const Imported imported = one_rule("inet", "input", rule);
        EXPECT_EQ(words_of(read_back(imported.toml)), words) << rule << "\n" << imported.toml;
        EXPECT_EQ(imported.left_out, 0U) << imported.toml;
    }
}

TEST(Nft, LinkHeadersAreReadWhereTheyAre) {
    const std::vector<std::pair<const char*, const char*>> kWords = {
        {"drop", "deny any on eth0 in"},
        {"ip saddr 1.2.3.4 drop", "deny any from 1.2.3.4 on eth0 in"},
        {"meta protocol arp drop", "deny any ethertype arp on eth0 in"},
        {"ether type arp drop", "deny any vlan none ethertype arp on eth0 in"},
        {"ether type 8021q drop",
         "deny any vlan none ethertype 0x8100 on eth0 in; deny any vlan 0-4095 on eth0 in"},
        {"vlan id { 7, 9 } drop", "deny any vlan 7, 9 on eth0 in"},
        {"ether saddr 52:54:00:12:34:56 drop", "deny any mac 52:54:00:12:34:56 on eth0 in"},
    };
    for (const auto& [rule, words] : kWords) {
        const Imported imported = one_rule("netdev", "ingress device \"eth0\"", rule);
        EXPECT_EQ(words_of(read_back(imported.toml)), words) << rule << "\n" << imported.toml;
    }
    const Imported egress =
        one_rule("netdev", "egress devices = { \"eth0\", \"eth1\" }", "tcp dport 25 drop");
    EXPECT_EQ(words_of(read_back(egress.toml)), "deny tcp/25 on eth0, eth1 out");
}

TEST(Nft, WhatIsLeftOutHasItsReason) {
    const std::vector<std::pair<const char*, const char*>> kReasons = {
        {"ct state established | related drop",
         "states with | between them and no comparison have no counterpart"},
        {"ct state nonsense drop", "`\"nonsense\"` is not understood"},
        {"ct direction reply accept",
         "of a flow its state alone is known: `ct direction` has no counterpart"},
        {"ct mark 0x1 accept", "of a flow its state alone is known: `ct mark` has no counterpart"},
        {"ct status dnat accept", "of a flow its state alone is known: `ct status` has no counterpart"},
        {"ct original ip saddr 1.2.3.4 accept",
         "of a flow its state alone is known: `ct original` has no counterpart"},
        {"ct count over 3 drop", "of a flow its state alone is known: `ct count` has no counterpart"},
        {"ct mark set 0x1", "`ct mark set` has no counterpart"},
        {"ct state . tcp dport { new . 22 } drop", "concatenations have no counterpart"},
        {"tcp dport 22 limit rate over 3/day drop", "a rate of 3/day cannot be said"},
        {"limit rate 3/minute tcp dport 22 drop",
         "its rate counts packets before all of its matches are asked"},
        {"tcp dport 22 limit rate 10 mbytes/second drop",
         "a rate of bytes, or of another rule's making, has no counterpart"},
        {"tcp dport 22 limit name \"slow\" drop",
         "a rate of bytes, or of another rule's making, has no counterpart"},
        {"tcp dport 22 limit rate 3/minute limit rate 9/hour drop", "it has two rates"},
        {"tcp dport 22 log limit rate 3/minute drop", "it logs before its rate is asked"},
        {"tcp dport 22 limit rate 3/minute jump next",
         "its rate would be counted in several rules, each with its own bucket"},
        {"ip saddr . tcp dport { 1.2.3.4 . 80 } accept", "concatenations have no counterpart"},
        {"tcp dport vmap @ports", "a verdict map with a name, or with * for all else, has no counterpart"},
        {"iifname vmap { \"eth0\" : accept, \"eth1\" : drop, * : accept }",
         "a verdict map with a name, or with * for all else, has no counterpart"},
        {"ct state vmap { new : queue, established : accept }", "`queue` has no counterpart"},
        {"ct state vmap { new : continue } counter drop",
         "what stands behind its verdict map has no counterpart"},
        {"limit rate 3/minute ct state vmap { new : accept, invalid : drop }",
         "its rate counts packets before all of its matches are asked"},
        {"tcp dport map { 1 : 2 } drop", "`tcp dport map` has no counterpart"},
        {"tcp dport 22 add @banned { ip saddr limit rate over 3/minute } drop", "`add` has no counterpart"},
        {"meta mark 0x1 drop", "`meta mark` has no counterpart"},
        {"meta mark set 0x1", "`meta mark set` has no counterpart"},
        {"fib daddr . iif type local drop", "`fib` has no counterpart"},
        {"tcp option maxseg size 1-500 drop", "`tcp option` has no counterpart"},
        {"udp length 100 drop", "`udp length` has no counterpart"},
        {"ip saddr & 255.0.255.0 == 10.0.2.0 drop", "`ip saddr` behind a mask has no counterpart"},
        {"th dport 22 drop", "ports are read of tcp, udp and sctp alone"},
        {"udplite dport 22 drop", "ports are read of tcp, udp and sctp alone"},
        {"ip saddr @nothing drop", "the set nothing has no counterpart"},
        {"tcp dport @nothing drop", "the set nothing is not one of addresses, and is filled live"},
        {"iifname != \"lo\" drop", "`on` cannot say every interface but lo"},
        {"ip frag-off & 0x2000 != 0 drop",
         "of `ip frag-off` only `& 0x1fff` and `& 0x3fff`, compared with 0, have a counterpart"},
        {"exthdr frag missing drop", "whole packets cannot be told from atomic fragments"},
        {"vlan id 7 drop", "a link header is read in tables of the family netdev alone"},
        {"xt match tos counter packets 0 bytes 0 drop",
         "is a rule of iptables; translate the output of iptables-save instead"},
        {"queue to 1", "`queue` has no counterpart"},
        {"jump nowhere", "there is no such chain"},
        {"jump c", "the chains ask each other without end"},
        {"tcp dport", "`tcp dport` without a value has no counterpart"},
        {"reject with icmp nonsense", "the answer `icmp nonsense` has no counterpart"},
    };
    for (const auto& [rule, reason] : kReasons) {
        const Imported imported = one_rule("inet", "input", rule);
        read_back(imported.toml);
        EXPECT_EQ(imported.left_out, 1U) << rule;
        EXPECT_NE(imported.toml.find(std::string("\n# ruleset.nft:22: ") + rule + ": " + reason + "\n"),
                  std::string::npos)
            << rule << "\n"
            << imported.toml;
    }
}

TEST(Nft, ChainsThatCannotBeTranslatedAreLeftOut) {
    const auto reason = [](const std::string& family, const std::string& chain) {
        const Imported imported = translate("table " + family + " t {\n chain c {\n type " + chain +
                                            " priority 0; policy accept;\n tcp dport 1 drop\n }\n}\n");
        const std::string line = "\n# ruleset.nft:4: tcp dport 1 drop: ";
        const std::size_t begin = imported.toml.find(line);
        return begin == std::string::npos ? imported.toml : imported.toml.substr(begin + line.size());
    };
    EXPECT_EQ(reason("ip", "filter hook forward"),
              "an interface does not know which packets will be forwarded\n");
    EXPECT_EQ(reason("ip", "nat hook input"), "chains of type nat change addresses, which fwctl does not\n");
    EXPECT_EQ(reason("bridge", "filter hook input"), "tables of the family bridge have no counterpart\n");
    EXPECT_EQ(reason("netdev", "filter hook ingress"),
              "nft -j does not say of which device; translate what it prints without -j\n");
}

// Each with one bit set, as the kernel has them; what nft gives to it was read with --debug=netlink.
TEST(Nft, StatesAreComparedAsTheKernelDoes) {
    struct Bit {
        const char* name;
        unsigned bit;
        policy::FlowState state;
    };
    constexpr std::array kBits = {Bit{"invalid", 1, policy::FlowState::kInvalid},
                                  Bit{"established", 2, policy::FlowState::kEstablished},
                                  Bit{"related", 4, policy::FlowState::kRelated},
                                  Bit{"new", 8, policy::FlowState::kNew},
                                  Bit{"untracked", 64, policy::FlowState::kUntracked}};
    const std::vector<std::pair<const char*, bool (*)(unsigned state, unsigned wanted)>> kWays = {
        {R"("op": "in", "right": [#])", [](unsigned s, unsigned w) { return (s & w) != 0; }},
        {R"("op": "!", "right": [#])", [](unsigned s, unsigned w) { return (s & w) == 0; }},
        {R"("op": "==", "right": {"|": [#]})", [](unsigned s, unsigned w) { return s == w; }},
        {R"("op": "!=", "right": {"|": [#]})", [](unsigned s, unsigned w) { return s != w; }},
        {R"("op": "==", "right": {"set": [#]})", [](unsigned s, unsigned w) { return (s & w) != 0; }},
        {R"("op": "!=", "right": {"set": [#]})", [](unsigned s, unsigned w) { return (s & w) == 0; }},
    };
    for (unsigned some = 1; some < 1U << kBits.size(); ++some) {
        std::string words;
        unsigned wanted = 0;
        for (std::size_t i = 0; i < kBits.size(); ++i) {
            if ((some >> i & 1) != 0) {
                words += std::string(words.empty() ? "" : ", ") + '"' + kBits[i].name + '"';
                wanted |= kBits[i].bit;
            }
        }
        for (const auto& [way, holds] : kWays) {
            std::string match = way;
            match.replace(match.find('#'), 1, words);
            const policy::Policy policy =
                read_back(translate(R"({"nftables": [{"table": {"family": "ip", "name": "t"}},
{"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"match": {"left": {"ct": {"key": "state"}}, )" +
                                    match + "}}, {\"drop\": null}]}}]}")
                              .toml);
            for (const Bit& bit : kBits) {
                policy::PacketView packet;
                packet.family = policy::Family::kIpv4;
                packet.ethertype = 0x0800;
                packet.state = bit.state;
                EXPECT_EQ(policy::evaluate(policy.rules, packet, {}).rule.has_value(), holds(bit.bit, wanted))
                    << bit.name << " " << match;
            }
        }
    }
}

TEST(Nft, StatesAreNotAskedBeforeTheyAreKnown) {
    const auto reason = [](const std::string& chain) {
        const Imported imported = translate(
            "table inet t {\n chain c {\n type filter hook " + chain +
            "; policy accept;\n tcp dport 53 notrack\n jump d\n }\n chain d {\n ct state vmap { new : "
            "drop, invalid : drop, related : accept }\n }\n chain i {\n type filter hook input priority "
            "0;\n ct state new drop\n }\n}\n");
        EXPECT_NE(imported.toml.find("# WARNING: these exempt packets from being followed"),
                  std::string::npos);
        const std::string begin = "related : accept }: ";
        const std::size_t at = imported.toml.find(begin);
        return at == std::string::npos
                   ? ""
                   : imported.toml.substr(at + begin.size(),
                                          imported.toml.find('\n', at) - at - begin.size());
    };
    const std::string kReason = "stands where the kernel does not know the state of flows yet";
    EXPECT_EQ(reason("prerouting priority raw"), kReason);
    EXPECT_EQ(reason("output priority -200"), kReason);
    EXPECT_EQ(reason("prerouting priority -199"), "");
    EXPECT_EQ(reason("input priority -300"), "");
    EXPECT_EQ(reason("ingress device \"eth0\" priority 0"), kReason);
}

TEST(Nft, RulesOfOneLineAreToldApart) {
    const Imported imported = translate(
        "table ip t {\n chain c {\n type filter hook input priority 0; policy accept; queue; ct state vmap { "
        "new : "
        "drop, related : accept }; meta mark 1 drop\n }\n}\n");
    EXPECT_EQ(imported.translated, 1U);
    EXPECT_EQ(imported.left_out, 2U);
    EXPECT_NE(imported.toml.find("# ruleset.nft:3: queue: "), std::string::npos) << imported.toml;
    EXPECT_NE(imported.toml.find("# ruleset.nft:3:107: meta mark 1 drop: "), std::string::npos)
        << imported.toml;
    EXPECT_EQ(words_of(read_back(imported.toml)),
              "deny any ethertype ip state new in; allow any ethertype ip state related in");
}

TEST(Nft, ADormantTableIsLeftOut) {
    const Imported imported = translate(
        "table ip t {\n flags dormant\n chain c {\n type filter hook input priority 0; policy drop;\n "
        "accept\n }\n}\n");
    EXPECT_TRUE(read_back(imported.toml).rules.empty());
    EXPECT_NE(imported.toml.find("# ruleset.nft:5: accept: the table is dormant\n"), std::string::npos);
}

// A packet has to be let pass by every chain of its hooks.
TEST(Nft, AcceptDecidesInTheLastChainAlone) {
    const policy::Policy policy = read_back(translate(R"(table ip late {
	chain input {
		type filter hook input priority filter + 10; policy drop;
		tcp dport 22 accept
	}
}
table ip early {
	chain input {
		type filter hook prerouting priority raw; policy accept;
		ip saddr 10.0.0.0/8 accept
		tcp dport 22 drop
	}
}
)")
                                                .toml);
    ASSERT_EQ(policy.rules.size(), 3U);
    EXPECT_EQ(policy::describe(policy.rules[0]), "deny tcp/22 from !10.0.0.0/8 ethertype ip in");
    EXPECT_EQ(policy.rules[0].name, "ip early input 2");
    EXPECT_EQ(policy::describe(policy.rules[1]), "allow tcp/22 ethertype ip in");
    EXPECT_EQ(policy::describe(policy.rules[2]), "deny any ethertype ip in");
}

TEST(Nft, OtherTextsAreRefusedWithTheirPlace) {
    const auto message = [](std::string_view text) {
        const auto imported = import_nft(text, "f");
        EXPECT_FALSE(imported.has_value()) << text;
        return imported ? "" : imported.error().message;
    };
    EXPECT_EQ(message(""), "f:1:1: there is no table; this is not the output of nft list ruleset");
    EXPECT_EQ(message("flush ruleset\n"),
              "f:1:1: expected a table; this is not what nft list ruleset prints, with or without -j");
    EXPECT_EQ(message("table ip t\n"), "f:1:11: expected {");
    EXPECT_EQ(message("table ip t {\n chain c {\n"), "f:2:11: a brace is not closed; is the file cut short?");
    EXPECT_EQ(message("table ip t {\n comment \"x\n}\n"), "f:2:10: a quotation mark is not closed");
    EXPECT_EQ(message("{\"nftables\": [\n{]}"), "f:2:2: this is not JSON, as nft -j list ruleset prints it");
    EXPECT_EQ(message("{\"rules\": []}"), "f:1:1: this is JSON, but not the output of nft -j list ruleset");
    EXPECT_EQ(message(std::string(100, '{')),
              "f:1:1: this is not the output of nft list ruleset: it is nested more than 64 deep");
}

}  // namespace
}  // namespace fwctl::importer
