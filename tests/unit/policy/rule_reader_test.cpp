// [[rule]], with the rates, bans and sets that rules name.
#include <gtest/gtest.h>

#include "policy/addresses.h"
#include "policy/policy_reader.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "read_text.h"

namespace fwctl::policy {
namespace {

TEST(Rules, HaveEveryKey) {
    const Policy policy = policy_of(R"(
[set.admins]
elements = "192.0.2.0/24"

[[rule]]
name      = "scans"
comment   = "ask the \"night\" shift"
action    = "log"
sample    = 100
service   = "tcp"
from      = ["!@admins", "!10.0.0.0/8"]
to        = ["192.0.2.1-192.0.2.2"]
sport     = "1-1023"
flags     = ["none", "syn+fin"]
fragment  = "no"
length    = "0-80"
ttl       = ["1", "255"]
dscp      = "cs1"
vlan      = "none"
mac       = "52:54:00:00:00:00/24"
ethertype = ["ip", "ip6"]
on        = "eth*"
direction = "in"

[[rule]]
name     = "mirror"
action   = "redirect"
redirect = { to = "eth1", via = "192.0.2.1" }

[[rule]]
name   = "no"
action = "reject"
reject = "admin-prohibited"
)");
    ASSERT_EQ(policy.rules.size(), 3U);
    EXPECT_EQ(describe(policy.rules[0]),
              "log tcp from !10.0.0.0/8, !@admins to 192.0.2.1, 192.0.2.2 sport 1-1023 flags fin+syn, none "
              "fragment no length 0-80 ttl 1, 255 dscp cs1 vlan none mac 52:54:00:00:00:00/24 "
              "ethertype ip, ip6 on eth* in one in 100");
    EXPECT_EQ(policy.rules[0].comment, "ask the \"night\" shift");
    EXPECT_EQ(policy.rules[0].origin, Origin::kFile);
    EXPECT_EQ(policy.rules[0].place.span.line, 6U);
    EXPECT_EQ(describe(policy.rules[1]), "redirect any in through eth1 via 192.0.2.1");
    EXPECT_EQ(policy.rules[1].direction, Direction::kIn);
    EXPECT_EQ(describe(policy.rules[2]), "reject any with admin-prohibited");
}

TEST(Rules, RefuseKeysThatContradictAtTheirPlace) {
    EXPECT_EQ(errors_of(R"([[rule]]
name = "a"
action = "deny"
reject = "tcp-reset"
[[rule]]
name = "b"
action = "redirect"
redirect = { }
[[rule]]
name = "c"
action = "redirect"
redirect = { to = "eth*", via = "10.0.0.0/8", by = 1 }
[[rule]]
name = "d"
action = "deny"
sport = "53"
service = "icmp"
[[rule]]
name = "lockout"
action = "log"
sample = 0
comment = "two\nlines"
redirect = "eth1"
[[rule]]
name = "e"
action = "redirect"
redirect = { to = "eth1" }
direction = "out"
)"),
              R"(p.toml:5:10: error: "reject" goes with action = "reject" alone
   5 | reject = "tcp-reset"
     |          ^~~~~~~~~~~
p.toml:8:10: error: where to? add redirect = { to = "eth1" } or redirect = { via = "192.0.2.1" }
   8 | action = "redirect"
     |          ^~~~~~~~~~
p.toml:13:19: error: "eth*" is a pattern; name one interface
  13 | redirect = { to = "eth*", via = "10.0.0.0/8", by = 1 }
     |                   ^~~~~~
p.toml:13:33: error: 10.0.0.0/8 is a block; name one address
  13 | redirect = { to = "eth*", via = "10.0.0.0/8", by = 1 }
     |                                 ^~~~~~~~~~~~
p.toml:13:47: error: unknown key "by"
  13 | redirect = { to = "eth*", via = "10.0.0.0/8", by = 1 }
     |                                               ^~
  hint: the keys of "redirect" are to, via
p.toml:17:9: error: "sport" needs tcp, udp or sctp, which icmp is not
  17 | sport = "53"
     |         ^~~~
p.toml:20:8: error: "lockout" is the name of a built-in rule
  20 | name = "lockout"
     |        ^~~~~~~~~
p.toml:22:10: error: "sample" is a number from 1 to 4294967295, not 0
  22 | sample = 0
     |          ^
p.toml:23:11: error: "comment" is one line of text, without control characters
  23 | comment = "two\nlines"
     |           ^~~~~~~~~~~~
p.toml:24:12: error: "redirect" takes an inline table, not a string
  24 | redirect = "eth1"
     |            ^~~~~~
  hint: redirect takes { to = "eth1" } or { via = "192.0.2.1" } or both
p.toml:29:13: error: a packet that goes out cannot be redirected; write direction = "in"
  29 | direction = "out"
     |             ^~~~~
)");
}

TEST(Bans, AreRead) {
    const auto policy = policy_of(R"(
[set.banned]
dynamic = true
[[rule]]
name   = "guessers"
action = "deny"
ban    = { set = "banned", for = "1h" }
[[rule]]
name   = "honeypot"
action = "allow"
ban    = { set = "banned" }
)");
    ASSERT_EQ(policy.rules.size(), 2U);
    EXPECT_EQ(policy.rules[0].ban, (Ban{"banned", std::chrono::hours(1)}));
    EXPECT_EQ(policy.rules[0].direction, Direction::kIn) << "our own packets ban nobody";
    EXPECT_EQ(describe(policy.rules[0]), "deny any in ban @banned for 1h");
    EXPECT_EQ(policy.rules[1].ban, (Ban{"banned", std::chrono::seconds(0)}));
}

TEST(Bans, SayWhatIsWrong) {
    EXPECT_EQ(errors_of(R"([set.fixed]
elements = ["192.0.2.1"]
[[rule]]
name = "a"
action = "deny"
ban = { set = "fixed" }
[[rule]]
name = "b"
action = "deny"
ban = { set = "nosuch" }
[[rule]]
name = "c"
action = "count"
ban = { set = "fixed", for = "soon" }
[[rule]]
name = "d"
action = "deny"
ban = { for = "1h" }
)"),
              R"(p.toml:7:15: error: the set "fixed" is not dynamic
   7 | ban = { set = "fixed" }
     |               ^~~~~~~
  hint: write dynamic = true in [set.fixed]
p.toml:11:15: error: there is no set "nosuch"
  11 | ban = { set = "nosuch" }
     |               ^~~~~~~~
  hint: define it: [set.nosuch]
p.toml:15:15: error: the set "fixed" is not dynamic
  15 | ban = { set = "fixed", for = "soon" }
     |               ^~~~~~~
  hint: write dynamic = true in [set.fixed]
p.toml:15:30: error: "soon" is not a duration; write 90s, 10m, 1h, 2d or 1h30m
  15 | ban = { set = "fixed", for = "soon" }
     |                              ^~~~~~
p.toml:19:7: error: "ban" needs the key "set"
  19 | ban = { for = "1h" }
     |       ^~~~~~~~~~~~~~
  hint: set takes banned
)");
}

TEST(UnknownSets, AreShownWhereTheyAreNamed) {
    EXPECT_EQ(errors_of(R"([defaults]
lockout = { from = "@admin", service = "tcp/22" }
[set.admins]
elements = []
[[rule]]
name = "a"
action = "deny"
from = ["@admins", "!@amdins"]
to = "@elsewhere"
)"),
              R"(p.toml:3:20: error: there is no set "admin"
   3 | lockout = { from = "@admin", service = "tcp/22" }
     |                    ^~~~~~~~
  hint: did you mean "@admins"?
p.toml:9:20: error: there is no set "amdins"
   9 | from = ["@admins", "!@amdins"]
     |                    ^~~~~~~~~~
  hint: did you mean "@admins"?
p.toml:10:6: error: there is no set "elsewhere"
  10 | to = "@elsewhere"
     |      ^~~~~~~~~~~~
  hint: define it: [set.elsewhere]
)");
}

TEST(Rules, OnAnInterfaceThatThePolicyDoesNotAttachAreNamed) {
    const std::string rules = R"(
[[rule]]
name   = "one"
on     = ["wna", "eth0", "wan", "veth7", "lo*"]
action = "deny"
)";
    const LoadResult loaded =
        load("version = 1\n[attach.wan]\ndevice = \"eth0\"\n[attach.guests]\ndevice = \"veth*\"\n" + rules);
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->warnings.render(),
              R"(p.toml:7:1: warning: rule "one" is on "wna", which the policy does not attach
   7 | [[rule]]
     | ^~~~~~~~
  hint: did you mean "wan"?
)");
    const LoadResult by_hand = load("version = 1\n" + rules);
    ASSERT_TRUE(by_hand);
    EXPECT_TRUE(by_hand->warnings.empty());
}

TEST(Rates, AreReadAndRefusedAtTheirPlaces) {
    EXPECT_EQ(errors_of(R"([[rule]]
name = "a"
action = "deny"
rate = "over 5/fortnight"
[[rule]]
name = "b"
action = "deny"
rate = ["over 5/second"]
)"),
              R"(p.toml:5:8: error: "fortnight" is not the time of a rate; write second, minute or hour
   5 | rate = "over 5/fortnight"
     |        ^~~~~~~~~~~~~~~~~~
p.toml:9:8: error: "rate" takes a string, not an array
   9 | rate = ["over 5/second"]
     |        ^~~~~~~~~~~~~~~~~
  hint: rate takes over 5/minute burst 10 per source, under 1000000/second bytes
)");
}

}  // namespace
}  // namespace fwctl::policy
