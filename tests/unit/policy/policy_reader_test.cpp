#include "policy/policy_reader.h"

#include <gtest/gtest.h>

#include "policy/addresses.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "read_text.h"

namespace fwctl::policy {
namespace {

TEST(Defaults, AreRead) {
    const Defaults defaults = policy_of(R"(
[defaults]
in      = "deny"
out     = "allow"
lockout = { from = ["@admins", "192.0.2.0/24", "192.0.2.1"], service = ["udp/1194", "tcp/22"] }
tunnel  = "inner"
forward = "fib"
[set.admins]
elements = []
)")
                                  .defaults;
    EXPECT_EQ(defaults.in, Action::kDeny);
    EXPECT_EQ(defaults.out, Action::kAllow);
    EXPECT_EQ(address_words(defaults.lockout->from), (std::vector<std::string>{"192.0.2.0/24", "@admins"}));
    EXPECT_EQ(defaults.lockout->services.size(), 2U);
    EXPECT_TRUE(defaults.inner_tunnels);
    EXPECT_EQ(defaults.forward, Forwarding::kFib);
    EXPECT_EQ(policy_of("").defaults, Defaults{});
}

TEST(Defaults, RefuseWhatTheyDoNotTake) {
    EXPECT_EQ(errors_of(R"([defaults]
in = "drop"
out = true
lockout = { service = ["icmp", "tcp/22"], to = "any" }
tunel = "inner"
forward = "route"
)"),
              R"(p.toml:3:6: error: "drop" is not a default; write allow or deny
   3 | in = "drop"
     |      ^~~~~~
p.toml:4:7: error: "out" takes a string, not a boolean
   4 | out = true
     |       ^~~~
  hint: out takes allow or deny
p.toml:5:11: error: "lockout" needs the key "from"
   5 | lockout = { service = ["icmp", "tcp/22"], to = "any" }
     |           ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  hint: from takes 192.0.2.0/24, 2001:db8::1, @admins
p.toml:5:24: error: the lockout guard takes services of tcp, udp or sctp, whose replies can be told
   5 | lockout = { service = ["icmp", "tcp/22"], to = "any" }
     |                        ^~~~~~
p.toml:5:43: error: unknown key "to"
   5 | lockout = { service = ["icmp", "tcp/22"], to = "any" }
     |                                           ^~
  hint: the keys of "lockout" are from, service
p.toml:6:1: error: unknown key "tunel"
   6 | tunel = "inner"
     | ^~~~~
  hint: did you mean "tunnel"?
p.toml:7:11: error: "route" is not a way to forward; write stack, table or fib
   7 | forward = "route"
     |           ^~~~~~~
)");
    EXPECT_EQ(errors_of("defaults = \"deny\"\n"),
              "p.toml:2:12: error: \"defaults\" is a table, not a string\n"
              "   2 | defaults = \"deny\"\n"
              "     |            ^~~~~~\n"
              "  hint: write [defaults]\n");
}

TEST(Builtin, RulesAreSwitchedOffByName) {
    EXPECT_EQ(
        policy_of("[builtin]\ndhcp-replies = false\narp = true\nheader-chain = false\n").disabled_builtins,
        (std::vector<std::string>{"dhcp-replies", "header-chain"}));
    EXPECT_EQ(errors_of("[builtin]\ndhcp-reply = false\narp = \"off\"\nlockout = false\n"),
              R"(p.toml:3:1: error: there is no built-in rule "dhcp-reply"
   3 | dhcp-reply = false
     | ^~~~~~~~~~
  hint: did you mean "dhcp-replies"?
p.toml:4:7: error: "arp" takes true or false, not a string
   4 | arp = "off"
     |       ^~~~~
p.toml:5:1: error: there is no built-in rule "lockout"
   5 | lockout = false
     | ^~~~~~~
  hint: the keys of [builtin] are malformed, vlan-depth, header-chain, arp, neighbor-discovery, icmp6-essential, packet-too-big, dhcp-replies, dhcpv6-replies
)");
}

TEST(Attachments, AreRead) {
    const auto attachments = policy_of(R"(
[attach.wan]
device = "eth0"
mode = "native"
hooks = ["tc-out", "xdp", "xdp"]
isolate_peers = true
[attach."veth*"]
)")
                                 .attachments;
    ASSERT_EQ(attachments.size(), 2U);
    EXPECT_EQ(attachments[0].name, "veth*");
    EXPECT_EQ(attachments[0].device, "veth*");
    EXPECT_EQ(attachments[0].mode, AttachMode::kAuto);
    EXPECT_TRUE(attachments[0].hooks.empty());
    EXPECT_FALSE(attachments[0].isolate_peers);
    EXPECT_EQ(attachments[1].device, "eth0");
    EXPECT_EQ(attachments[1].mode, AttachMode::kNative);
    EXPECT_EQ(attachments[1].hooks, (std::vector<std::string>{"xdp", "tc-out"}));
    EXPECT_TRUE(attachments[1].isolate_peers);
}

TEST(Attachments, RefuseWhatContradicts) {
    EXPECT_EQ(errors_of(R"([attach.wan]
device = "eth0"
mode = "tc"
hooks = "xdp"
[attach.lan]
device = "eth0"
mode = "generic"
hooks = ["tc-in"]
[attach."a/b"]
device = "eth1"
mode = "fast"
isolate_peers = 1
hooks = ["tc"]
[attach]
dmz = "eth2"
)"),
              R"(p.toml:2:1: error: another attachment has the device "eth0", in line 6
   2 | [attach.wan]
     | ^~~~~~~~~~~~
p.toml:5:9: error: mode = "tc" has no hook xdp
   5 | hooks = "xdp"
     |         ^~~~~
p.toml:8:8: error: native and generic are modes of the hook xdp
   8 | mode = "generic"
     |        ^~~~~~~~~
p.toml:10:9: error: "a/b" is not an interface's name or pattern (eth0, veth*), of at most 15 letters
  10 | [attach."a/b"]
     |         ^~~~~
p.toml:12:8: error: "fast" is not a mode; write auto, native, generic or tc
  12 | mode = "fast"
     |        ^~~~~~
p.toml:13:17: error: "isolate_peers" takes true or false, not an integer
  13 | isolate_peers = 1
     |                 ^
  hint: isolate_peers takes true or false
p.toml:14:10: error: "tc" is not a hook; write xdp, tc-in or tc-out
  14 | hooks = ["tc"]
     |          ^~~~
p.toml:16:7: error: "attach.dmz" is a table, not a string
  16 | dmz = "eth2"
     |       ^~~~~~
  hint: write [attach.NAME]
)");
}

TEST(Sets, AreRead) {
    const auto sets = policy_of(R"(
[set.b]
elements = ["192.0.2.9-192.0.2.10", "10.0.0.0/8", "10.1.0.0/16"]
[set.c]
dynamic = true
timeout = "1h30m"
size    = 100_000
[set.a]
elements = "2001:db8::1"
[set.empty]
elements = []
[set.plain]
dynamic = true
)")
                          .sets;
    ASSERT_EQ(sets.size(), 5U);
    EXPECT_EQ(prefix_words(sets[0].elements), (std::vector<std::string>{"2001:db8::1"}));
    EXPECT_EQ(prefix_words(sets[1].elements),
              (std::vector<std::string>{"10.0.0.0/8", "192.0.2.9", "192.0.2.10"}));
    EXPECT_TRUE(sets[2].dynamic);
    EXPECT_EQ(sets[2].timeout, std::chrono::minutes(90));
    EXPECT_EQ(sets[2].size, 100000U);
    EXPECT_TRUE(sets[3].elements.empty());
    EXPECT_EQ(sets[4].timeout.count(), 0);
    EXPECT_EQ(sets[4].size, 65536U);
}

TEST(Sets, RefuseWhatContradicts) {
    EXPECT_EQ(errors_of(R"([set.Admins]
elements = ["10.0.0.1", "@other", "!10.0.0.2", "10.0.0.1/8"]
[set.a]
dynamic = true
elements = []
file = "list.txt"
timeout = "10 minutes"
size = 0
[set.b]
elements = "10.0.0.1"
timeout = "1h"
size = 5
[set.c]
[set.d]
elements = []
file = "list.txt"
)"),
              R"(p.toml:2:6: error: "Admins" is not a set's name: 1 to 63 of a-z 0-9 _ -
   2 | [set.Admins]
     |      ^~~~~~
p.toml:3:25: error: "@other" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)
   3 | elements = ["10.0.0.1", "@other", "!10.0.0.2", "10.0.0.1/8"]
     |                         ^~~~~~~~
p.toml:3:35: error: "!10.0.0.2" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)
   3 | elements = ["10.0.0.1", "@other", "!10.0.0.2", "10.0.0.1/8"]
     |                                   ^~~~~~~~~~~
p.toml:3:48: error: 10.0.0.1/8 has host bits set; did you mean 10.0.0.0/8 or 10.0.0.1?
   3 | elements = ["10.0.0.1", "@other", "!10.0.0.2", "10.0.0.1/8"]
     |                                                ^~~~~~~~~~~~
p.toml:6:12: error: a dynamic set is filled while it runs, not by "elements"
   6 | elements = []
     |            ^~
p.toml:7:8: error: a dynamic set is filled while it runs, not by "file"
   7 | file = "list.txt"
     |        ^~~~~~~~~~
p.toml:8:11: error: "10 minutes" is not a duration; write 90s, 10m, 1h, 2d or 1h30m
   8 | timeout = "10 minutes"
     |           ^~~~~~~~~~~~
p.toml:9:8: error: "size" is a number from 1 to 16777216, not 0
   9 | size = 0
     |        ^
p.toml:12:11: error: members stay in a set that is not dynamic; add dynamic = true
  12 | timeout = "1h"
     |           ^~~~
p.toml:13:8: error: a set that is not dynamic is as large as its elements; add dynamic = true
  13 | size = 5
     |        ^
p.toml:14:1: error: the set "c" does not say what is in it
  14 | [set.c]
     | ^~~~~~~
  hint: write elements = ["192.0.2.1"], file = "list.txt" or dynamic = true
p.toml:17:8: error: a set has "elements" or a "file"; a rule may name two sets
  17 | file = "list.txt"
     |        ^~~~~~~~~~
)");
}

TEST(Routes, AreRead) {
    const auto routes = policy_of(R"(
[defaults]
forward = "table"
[[route]]
prefix = "10.0.0.0/8"
via = "192.0.2.1"
interface = "eth1"
[[route]]
prefix = "::/0"
via = "2001:db8::1"
)")
                            .routes;
    ASSERT_EQ(routes.size(), 2U);
    EXPECT_EQ(format_prefix(routes[0].prefix), "10.0.0.0/8");
    EXPECT_EQ(format_prefix(*routes[0].next_hop.via), "192.0.2.1");
    EXPECT_EQ(routes[0].next_hop.interface, "eth1");
    EXPECT_EQ(routes[1].next_hop.interface, "");
}

TEST(Routes, RefuseWhatContradicts) {
    EXPECT_EQ(errors_of(R"([[route]]
prefix = "10.0.0.0/8"
via = "192.0.2.1"
[[route]]
prefix = "10.0.0.0/8"
via = "2001:db8::1"
[[route]]
prefix = "10.0.0.1/8"
via = "192.0.2.0/24"
interface = "*"
[[route]]
)"),
              R"(p.toml:2:1: warning: no packet takes a route of the policy
   2 | [[route]]
     | ^~~~~~~~~
  hint: write forward = "table" in [defaults]
p.toml:5:1: error: another route has the prefix 10.0.0.0/8, in line 2
   5 | [[route]]
     | ^~~~~~~~~
p.toml:7:7: error: 2001:db8::1 is no neighbour for packets of another IP version
   7 | via = "2001:db8::1"
     |       ^~~~~~~~~~~~~
p.toml:9:10: error: 10.0.0.1/8 has host bits set; did you mean 10.0.0.0/8 or 10.0.0.1?
   9 | prefix = "10.0.0.1/8"
     |          ^~~~~~~~~~~~
p.toml:10:7: error: 192.0.2.0/24 is a block; name one address
  10 | via = "192.0.2.0/24"
     |       ^~~~~~~~~~~~~~
p.toml:11:13: error: "*" is a pattern; name one interface
  11 | interface = "*"
     |             ^~~
p.toml:12:1: error: a route needs the key "prefix"
  12 | [[route]]
     | ^~~~~~~~~
  hint: prefix takes 192.0.2.0/24
p.toml:12:1: error: a route needs the key "via"
  12 | [[route]]
     | ^~~~~~~~~
  hint: via takes 198.51.100.1
)");
}

TEST(Routes, WarnWhenNobodyAsksThem) {
    const LoadResult loaded = load("version = 1\n[[route]]\nprefix = \"10.0.0.0/8\"\nvia = \"192.0.2.1\"\n");
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->warnings.render(),
              "p.toml:2:1: warning: no packet takes a route of the policy\n"
              "   2 | [[route]]\n"
              "     | ^~~~~~~~~\n"
              "  hint: write forward = \"table\" in [defaults]\n");
}

TEST(Tests, AreRead) {
    const auto tests = policy_of(R"(
[[test]]
packet  = "tcp 198.51.100.7:40000 > 203.0.113.1:22 syn on wan"
expect  = "deny"
because = "ssh guessers"
repeat  = 20
)")
                           .tests;
    ASSERT_EQ(tests.size(), 1U);
    EXPECT_EQ(tests[0].packet, "tcp 198.51.100.7:40000 > 203.0.113.1:22 syn on wan");
    EXPECT_EQ(tests[0].expect, "deny");
    EXPECT_EQ(tests[0].because, "ssh guessers");
    EXPECT_EQ(tests[0].repeat, 20U);
}

TEST(Tests, RefuseWhatTheyDoNotTake) {
    EXPECT_EQ(errors_of("[[test]]\nexpect = \"drop\"\nrepeat = \"5\"\nwhy = 1\n[[test]]\npacket = 1\n"),
              R"(p.toml:2:1: error: a test needs the key "packet"
   2 | [[test]]
     | ^~~~~~~~
  hint: packet takes tcp 198.51.100.7:40000 > 203.0.113.1:22 syn on wan
p.toml:3:10: error: "drop" is not a verdict; write allow, deny, reject, redirect, synproxy or balance
   3 | expect = "drop"
     |          ^~~~~~
p.toml:4:10: error: "repeat" takes an integer, not a string
   4 | repeat = "5"
     |          ^~~
  hint: repeat takes 20
p.toml:5:1: error: unknown key "why"
   5 | why = 1
     | ^~~
  hint: the keys of a test are packet, expect, because, repeat
p.toml:6:1: error: a test needs the key "expect"
   6 | [[test]]
     | ^~~~~~~~
  hint: expect takes allow, deny, reject, redirect, synproxy, balance or balance NAME
p.toml:7:10: error: "packet" takes a string, not an integer
   7 | packet = 1
     |          ^
  hint: packet takes tcp 198.51.100.7:40000 > 203.0.113.1:22 syn on wan
)");
}

}  // namespace
}  // namespace fwctl::policy
