#include "policy/vip_reader.h"

#include <gtest/gtest.h>

#include "policy/addresses.h"
#include "policy/parse.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "policy/service.h"
#include "read_text.h"

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kWeb = R"([vip.web]
address     = ["2001:db8:10::10", "203.0.113.10", "198.51.100.0/28", "198.51.100.7"]
service     = ["udp/5000-6000", "tcp/80", "sctp", "tcp/http"]
forward     = "gue"
schedule    = "maglev"
affinity    = "source/24,56"
ring        = 65537
transition  = "1h30m"
new_entries = 10_000_000
gue_port    = 6081
enabled     = false
health      = { tcp = true }
down        = "reset"
panic       = 50
slow_start  = "1m30s"
[[vip.web.backend]]
name     = "Web2.example"
address  = "10.0.0.12"
fallback = true
[[vip.web.backend]]
name    = "Web1.example"
address = ["2001:db8::11", "10.0.0.11"]
weight  = 0
state   = "maint"
)";

TEST(VipReader, ReadsEveryKey) {
    const Policy policy = policy_of(kWeb);
    ASSERT_EQ(policy.vips.size(), 1U);
    const Vip& web = policy.vips[0];
    EXPECT_EQ(web.name, "web");
    EXPECT_EQ(prefix_words(web.addresses), (Words{"198.51.100.0/28", "203.0.113.10", "2001:db8:10::10"}));
    ASSERT_EQ(web.services.size(), 3U);
    EXPECT_EQ(format_service(web.services[0]), "tcp/80");
    EXPECT_EQ(format_service(web.services[1]), "udp/5000-6000");
    EXPECT_EQ(format_service(web.services[2]), "sctp");
    EXPECT_EQ(web.forward, Transport::kGue);
    EXPECT_TRUE(web.by_source);
    EXPECT_EQ(web.ipv4_bits, 24);
    EXPECT_EQ(web.ipv6_bits, 56);
    EXPECT_EQ(web.ring, 65537U);
    EXPECT_EQ(web.transition, std::chrono::minutes(90));
    EXPECT_EQ(web.new_entries, 10'000'000U);
    EXPECT_EQ(web.gue_port, 6081);
    EXPECT_FALSE(web.enabled);
    EXPECT_EQ(web.health.kind, HealthKind::kTcp);
    EXPECT_EQ(web.down, Down::kReset);
    EXPECT_EQ(web.panic, 50);
    EXPECT_EQ(web.slow_start, std::chrono::seconds(90));
    EXPECT_EQ(web.place.span.line, 2U);
    ASSERT_EQ(web.backends.size(), 2U);
    EXPECT_EQ(web.backends[0].name, "Web1.example");
    EXPECT_EQ(prefix_words(web.backends[0].addresses), (Words{"10.0.0.11", "2001:db8::11"}));
    EXPECT_EQ(web.backends[0].weight, 0);
    EXPECT_EQ(web.backends[0].state, BackendState::kMaint);
    EXPECT_FALSE(web.backends[0].fallback);
    EXPECT_EQ(web.backends[1].weight, 1);
    EXPECT_EQ(web.backends[1].state, BackendState::kReady);
    EXPECT_TRUE(web.backends[1].fallback);
    EXPECT_EQ(web.backends[1].place.span.line, 17U);
}

TEST(VipReader, AnnouncesSingleAddresses) {
    const std::string vip = "[vip.a]\nservice = \"tcp\"\nforward = \"ipip\"\n";
    const Policy policy =
        policy_of(vip + "address = [\"203.0.113.10\", \"2001:db8::10\"]\nannounce = \"eth0\"\n");
    EXPECT_EQ(policy.vips[0].announce, "eth0");
    EXPECT_EQ(
        errors_of(vip + "address = [\"203.0.113.10\", \"198.51.100.0/31\"]\nannounce = \"eth0\"\n"
                        "[[vip.a.backend]]\nname = \"x\"\naddress = \"10.0.0.1\"\n"),
        R"(p.toml:6:12: error: "announce" goes with single addresses alone, and 198.51.100.0/31 is a block
   6 | announce = "eth0"
     |            ^~~~~~
  hint: route the block to this host instead
)");
    EXPECT_EQ(errors_of("[vip.a]\naddress = \"2001:db8::/64\"\nservice = \"tcp\"\nforward = \"ipip\"\n"
                        "announce = \"eth*\"\n[vip.b]\naddress = \"203.0.113.10\"\nservice = \"udp\"\n"
                        "forward = \"ipip\"\nannounce = \"a device of 16 letters\"\n"
                        "[[vip.a.backend]]\nname = \"x\"\naddress = \"10.0.0.1\"\n"
                        "[[vip.b.backend]]\nname = \"x\"\naddress = \"10.0.0.1\"\n"),
              R"(p.toml:6:12: error: "eth*" is a pattern; name one interface
   6 | announce = "eth*"
     |            ^~~~~~
p.toml:11:12: error: "a device of 16 letters" is not an interface's name or pattern (eth0, veth*), of at most 15 letters
  11 | announce = "a device of 16 letters"
     |            ^~~~~~~~~~~~~~~~~~~~~~~~
)");
}

TEST(VipReader, KnowsWhatAbsenceMeans) {
    const Policy policy = policy_of(
        "[vip.b]\naddress = \"203.0.113.10\"\nservice = \"tcp\"\nforward = \"l2-dsr\"\n"
        "[vip.a]\naddress = \"203.0.113.10\"\nservice = \"udp\"\nforward = \"ipip\"\n");
    ASSERT_EQ(policy.vips.size(), 2U);
    EXPECT_EQ(policy.vips[0].name, "a");
    EXPECT_EQ(policy.vips[0].forward, Transport::kIpip);
    Vip absent;
    absent.name = "b";
    absent.addresses = policy.vips[1].addresses;
    absent.services = policy.vips[1].services;
    EXPECT_EQ(policy.vips[1], absent);
    EXPECT_EQ(policy.decapsulate, Decapsulate{});
}

// As the kernel holds what was edited live.
TEST(VipReader, ReadsATextOfVipsAlone) {
    Policy policy;
    policy.vips = policy_of(kWeb).vips;
    const ParseResult read = parse_policy(print_policy(policy), "live");
    ASSERT_TRUE(read.has_value()) << read.error().render();
    EXPECT_EQ(*read, policy);
}

TEST(VipReader, ReadsBackendsHoweverTomlHasThem) {
    EXPECT_EQ(policy_of("[vip.a]\naddress = \"203.0.113.10\"\nservice = \"tcp\"\nforward = \"ipip\"\n"
                        "backend = [{ name = \"x\", address = \"10.0.0.1\" }]\n")
                  .vips[0]
                  .backends[0]
                  .name,
              "x")
        << "inline";
    EXPECT_EQ(errors_of("[[vip.a.backend]]\nname = \"x\"\naddress = \"10.0.0.1\"\n"
                        "[vip.a]\naddress = \"203.0.113.10\"\nservice = \"tcp\"\nforward = \"ipip\"\n"),
              "no error")
        << "before their vip";
}

TEST(VipReader, SaysWhatIsWrongWithAVip) {
    EXPECT_EQ(errors_of(R"([vip.Web]
address = ["203.0.113.10/24", "127.0.0.1", "10.0.0.0/7", "@admins", "192.0.2.1-192.0.2.9"]
service = ["icmp", "any", "tpc/80", "gre", "tcp/80-70"]
forward = "dnat"
schedule = "rr"
affinity = "sources"
ring = 1000
transition = "25h"
new_entries = 0
gue_port = 0
enabled = "yes"
backends = []
down = "stay"
[vip.a]
address = []
forward = "ipip"
affinity = "flow/24"
ring = 97
gue_port = 6080
backend = [1]
[vip.b]
forward = "snat"
affinity = "source/24/56"
ring = 1000004
backend = "web1"
new_entries = 10_000_001
[vip.c]
address = "203.0.113.10"
service = "tcp"
forward = "dsr"
[vip]
d = 3
)"),
              R"(p.toml:2:1: warning: vip "Web" has no backends: its packets are dropped
   2 | [vip.Web]
     | ^~~~~~~~~
  hint: add one: [[vip.Web.backend]]
p.toml:2:6: error: "Web" is not a vip's name: 1 to 63 of a-z 0-9 _ -
   2 | [vip.Web]
     |      ^~~
p.toml:3:12: error: 203.0.113.10/24 has host bits set; did you mean 203.0.113.0/24 or 203.0.113.10?
   3 | address = ["203.0.113.10/24", "127.0.0.1", "10.0.0.0/7", "@admins", "192.0.2.1-192.0.2.9"]
     |            ^~~~~~~~~~~~~~~~~
p.toml:3:31: error: 127.0.0.1: a vip cannot have loopback addresses
   3 | address = ["203.0.113.10/24", "127.0.0.1", "10.0.0.0/7", "@admins", "192.0.2.1-192.0.2.9"]
     |                               ^~~~~~~~~~~
p.toml:3:44: error: 10.0.0.0/7: a vip's block has a length of at least 8 in IPv4 and 16 in IPv6
   3 | address = ["203.0.113.10/24", "127.0.0.1", "10.0.0.0/7", "@admins", "192.0.2.1-192.0.2.9"]
     |                                            ^~~~~~~~~~~~
p.toml:3:58: error: "@admins" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)
   3 | address = ["203.0.113.10/24", "127.0.0.1", "10.0.0.0/7", "@admins", "192.0.2.1-192.0.2.9"]
     |                                                          ^~~~~~~~~
p.toml:3:69: error: "192.0.2.1-192.0.2.9" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)
   3 | address = ["203.0.113.10/24", "127.0.0.1", "10.0.0.0/7", "@admins", "192.0.2.1-192.0.2.9"]
     |                                                                     ^~~~~~~~~~~~~~~~~~~~~
p.toml:4:12: error: icmp is not balanced: a vip's services are of tcp, udp or sctp
   4 | service = ["icmp", "any", "tpc/80", "gre", "tcp/80-70"]
     |            ^~~~~~
p.toml:4:20: error: any is not balanced: a vip's services are of tcp, udp or sctp
   4 | service = ["icmp", "any", "tpc/80", "gre", "tcp/80-70"]
     |                    ^~~~~
p.toml:4:27: error: unknown service "tpc/80"; did you mean "tcp/80"?
   4 | service = ["icmp", "any", "tpc/80", "gre", "tcp/80-70"]
     |                           ^~~~~~~~
p.toml:4:37: error: gre is not balanced: a vip's services are of tcp, udp or sctp
   4 | service = ["icmp", "any", "tpc/80", "gre", "tcp/80-70"]
     |                                     ^~~~~
p.toml:4:44: error: the range in "tcp/80-70" runs backwards; did you mean "tcp/70-80"?
   4 | service = ["icmp", "any", "tpc/80", "gre", "tcp/80-70"]
     |                                            ^~~~~~~~~~~
p.toml:5:11: error: "dnat" is not a way to backends; write l2-dsr, ipip, gue, nat or full-nat
   5 | forward = "dnat"
     |           ^~~~~~
p.toml:6:12: error: "rr" is not a schedule; write maglev
   6 | schedule = "rr"
     |            ^~~~
p.toml:7:12: error: "sources" is not an affinity; write flow or source
   7 | affinity = "sources"
     |            ^~~~~~~~~
p.toml:8:8: error: "ring" is a prime, and 1000 is none; the next one is 1009
   8 | ring = 1000
     |        ^~~~
p.toml:9:14: error: a transition takes at most 24h
   9 | transition = "25h"
     |              ^~~~~
p.toml:10:15: error: "new_entries" is a number from 1 to 10000000, not 0
  10 | new_entries = 0
     |               ^
p.toml:11:12: error: "gue_port" is a number from 1 to 65535, not 0
  11 | gue_port = 0
     |            ^
p.toml:11:12: error: "gue_port" goes with forward = "gue" alone
  11 | gue_port = 0
     |            ^
p.toml:12:11: error: "enabled" takes true or false, not a string
  12 | enabled = "yes"
     |           ^~~~~
  hint: enabled takes true or false
p.toml:13:1: error: unknown key "backends"
  13 | backends = []
     | ^~~~~~~~
  hint: did you mean "backend"?
p.toml:14:8: error: "stay" is not what becomes of connections; write move, keep or reset
  14 | down = "stay"
     |        ^~~~~~
p.toml:14:8: error: "down" goes with "health": without it no backend is ever down
  14 | down = "stay"
     |        ^~~~~~
  hint: add a health check, such as health = { tcp = true }
p.toml:15:1: error: a vip needs the key "service"
  15 | [vip.a]
     | ^~~~~~~
  hint: service takes tcp/80, udp/5000-6000, sctp
p.toml:15:1: warning: vip "a" has no backends: its packets are dropped
  15 | [vip.a]
     | ^~~~~~~
  hint: add one: [[vip.a.backend]]
p.toml:16:11: error: "address" lists nothing and would match nothing
  16 | address = []
     |           ^~
  hint: address takes 203.0.113.10, 198.51.100.0/28, 2001:db8:10::10
p.toml:18:12: error: "flow/24": only source takes a length
  18 | affinity = "flow/24"
     |            ^~~~~~~~~
p.toml:19:8: error: "ring" is a prime from 101 to 1000003, not 97
  19 | ring = 97
     |        ^~
p.toml:20:12: error: "gue_port" goes with forward = "gue" alone
  20 | gue_port = 6080
     |            ^~~~
p.toml:21:12: error: a backend is a table, not an integer
  21 | backend = [1]
     |            ^
  hint: write [[vip.a.backend]]
p.toml:22:1: error: a vip needs the key "address"
  22 | [vip.b]
     | ^~~~~~~
  hint: address takes 203.0.113.10, 198.51.100.0/28, 2001:db8:10::10
p.toml:22:1: error: a vip needs the key "service"
  22 | [vip.b]
     | ^~~~~~~
  hint: service takes tcp/80, udp/5000-6000, sctp
p.toml:22:1: warning: vip "b" has no backends: its packets are dropped
  22 | [vip.b]
     | ^~~~~~~
  hint: add one: [[vip.b.backend]]
p.toml:23:11: error: "snat" is not a way to backends; write l2-dsr, ipip, gue, nat or full-nat
  23 | forward = "snat"
     |           ^~~~~~
p.toml:24:12: error: "source/24/56" has no length of addresses: write source/24 for IPv4, source/64 for IPv6, source/24,64 for both
  24 | affinity = "source/24/56"
     |            ^~~~~~~~~~~~~~
p.toml:25:8: error: "ring" is a prime from 101 to 1000003, not 1000004
  25 | ring = 1000004
     |        ^~~~~~~
p.toml:26:11: error: "backend" is a list of tables, not a string
  26 | backend = "web1"
     |           ^~~~~~
  hint: write [[vip.b.backend]]
p.toml:27:15: error: "new_entries" is a number from 1 to 10000000, not 10000001
  27 | new_entries = 10_000_001
     |               ^~~~~~~~~~
p.toml:28:1: warning: vip "c" has no backends: its packets are dropped
  28 | [vip.c]
     | ^~~~~~~
  hint: add one: [[vip.c.backend]]
p.toml:31:11: error: "dsr" is not a way to backends; write l2-dsr, ipip, gue, nat or full-nat
  31 | forward = "dsr"
     |           ^~~~~
p.toml:33:5: error: "vip.d" is a table, not an integer
  33 | d = 3
     |     ^
  hint: write [vip.NAME]
)");
}

TEST(VipReader, SaysWhatIsWrongWithABackend) {
    EXPECT_EQ(errors_of(R"([vip.a]
address = "203.0.113.10"
service = "tcp"
forward = "ipip"
[[vip.a.backend]]
name = "web/1"
address = ["10.0.0.1", "10.0.0.2", "2001:db8::/64"]
weight = 65536
state = "up"
gateway = 80
[[vip.a.backend]]
[[vip.a.backend]]
name = "x"
address = ["10.0.0.9", "2001:db8::1"]
weight = -1
[[vip.a.backend]]
name = "x"
address = "2001:db8:0::1"
[[vip.a.backend]]
name = "y"
address = "224.0.0.1"
[[vip.d.backend]]
name = "x"
address = "10.0.0.1"
)"),
              R"(p.toml:7:8: error: "web/1" is not a backend's name: 1 to 63 of A-Z a-z 0-9 . _ -
   7 | name = "web/1"
     |        ^~~~~~~
p.toml:8:24: error: 10.0.0.2: a backend has one address of each IP version at most
   8 | address = ["10.0.0.1", "10.0.0.2", "2001:db8::/64"]
     |                        ^~~~~~~~~~
p.toml:8:36: error: 2001:db8::/64 is a block; name one address
   8 | address = ["10.0.0.1", "10.0.0.2", "2001:db8::/64"]
     |                                    ^~~~~~~~~~~~~~~
p.toml:9:10: error: "weight" is a number from 0 to 65535, not 65536
   9 | weight = 65536
     |          ^~~~~
p.toml:10:9: error: "up" is not a state of a backend; write ready, drain or maint
  10 | state = "up"
     |         ^~~~
p.toml:11:1: error: unknown key "gateway"
  11 | gateway = 80
     | ^~~~~~~
  hint: the keys of a backend are name, address, weight, state, fallback, port, server_id
p.toml:12:1: error: a backend needs the key "name"
  12 | [[vip.a.backend]]
     | ^~~~~~~~~~~~~~~~~
  hint: name takes web1
p.toml:12:1: error: a backend needs the key "address"
  12 | [[vip.a.backend]]
     | ^~~~~~~~~~~~~~~~~
  hint: address takes 10.0.0.11, 2001:db8::11
p.toml:16:10: error: "weight" is a number from 0 to 65535, not -1
  16 | weight = -1
     |          ^~
p.toml:18:8: error: another backend of vip "a" is called "x", in line 14
  18 | name = "x"
     |        ^~~
p.toml:19:11: error: another backend of vip "a" has the address 2001:db8::1, in line 15
  19 | address = "2001:db8:0::1"
     |           ^~~~~~~~~~~~~~~
p.toml:22:11: error: 224.0.0.1: a backend cannot have multicast addresses
  22 | address = "224.0.0.1"
     |           ^~~~~~~~~~~
p.toml:23:1: error: a vip needs the key "address"
  23 | [[vip.d.backend]]
     | ^~~~~~~~~~~~~~~~~
  hint: address takes 203.0.113.10, 198.51.100.0/28, 2001:db8:10::10
p.toml:23:1: error: a vip needs the key "service"
  23 | [[vip.d.backend]]
     | ^~~~~~~~~~~~~~~~~
  hint: service takes tcp/80, udp/5000-6000, sctp
p.toml:23:1: error: a vip needs the key "forward"
  23 | [[vip.d.backend]]
     | ^~~~~~~~~~~~~~~~~
  hint: forward takes l2-dsr, ipip, gue, nat or full-nat
)");
}

TEST(VipReader, OneAddressWithSeveralPorts) {
    const std::string nat = R"([vip.a]
address = ["203.0.113.10", "2001:db8::10"]
service = "tcp/80"
forward = "full-nat"
[[vip.a.backend]]
name = "x"
address = ["10.0.0.1", "2001:db8::1"]
port = 8080
[[vip.a.backend]]
name = "y"
address = ["10.0.0.1", "2001:db8::2"]
port = )";
    const Policy policy = policy_of(nat + "8081\n");
    ASSERT_EQ(policy.vips[0].backends.size(), 2U);
    EXPECT_EQ(policy.vips[0].backends[1].port, 8081);
    EXPECT_EQ(errors_of(nat + "8080\n"),
              R"(p.toml:12:12: error: another backend of vip "a" has the address 10.0.0.1 port 8080, in line 8
  12 | address = ["10.0.0.1", "2001:db8::2"]
     |            ^~~~~~~~~~
)");
}

TEST(VipReader, WantsEveryVipOnce) {
    const std::string vip = "[vip.a]\naddress = \"203.0.113.10\"\nservice = \"tcp\"\nforward = \"ipip\"\n";
    EXPECT_EQ(errors_of(vip + "[vip.a]\n"),
              "p.toml:6:1: error: parsing table header: cannot redefine existing table 'vip.a'\n"
              "   6 | [vip.a]\n"
              "     | ^\n");
    const LoadResult loaded = load_policy(
        "p.toml", SnapshotReader({Source{"p.toml", "version = 1\ninclude = \"d\"\n" + vip},
                                  Source{"d/a.toml", vip + "[decapsulate]\nfrom = \"10.0.0.1\"\n"},
                                  Source{"d/b.toml", "[decapsulate]\nfrom = \"10.0.0.1\"\n"}}));
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().render(),
              "p.toml:3:1: warning: vip \"a\" has no backends: its packets are dropped\n"
              "   3 | [vip.a]\n"
              "     | ^~~~~~~\n"
              "  hint: add one: [[vip.a.backend]]\n"
              "d/a.toml:1:1: error: [vip.a] is there already, in p.toml:3\n"
              "   1 | [vip.a]\n"
              "     | ^~~~~~~\n"
              "d/b.toml:1:1: error: [decapsulate] is there already, in d/a.toml:5\n"
              "   1 | [decapsulate]\n"
              "     | ^~~~~~~~~~~~~\n");
}

TEST(Decapsulate, IsRead) {
    const Decapsulate read =
        policy_of(
            "[decapsulate]\nfrom = [\"2001:db8::/64\", \"10.0.0.1\", \"10.0.0.0/24\"]\ngue_port = 666\n")
            .decapsulate;
    EXPECT_EQ(prefix_words(read.from), (Words{"10.0.0.0/24", "2001:db8::/64"}));
    EXPECT_EQ(read.gue_port, 666);
}

TEST(Decapsulate, RefusesWhatItDoesNotTake) {
    EXPECT_EQ(errors_of(R"([decapsulate]
from = []
gue_port = 70000
to = "x"
)"),
              R"(p.toml:3:8: error: "from" lists nothing and would match nothing
   3 | from = []
     |        ^~
  hint: from takes 192.0.2.1, 10.0.0.0/24, 2001:db8::/64
p.toml:4:12: error: "gue_port" is a number from 1 to 65535, not 70000
   4 | gue_port = 70000
     |            ^~~~~
p.toml:5:1: error: unknown key "to"
   5 | to = "x"
     | ^~
  hint: the keys of [decapsulate] are from, gue_port
)");
    EXPECT_EQ(errors_of(R"([decapsulate]
)"),
              R"(p.toml:2:1: error: [decapsulate] needs the key "from"
   2 | [decapsulate]
     | ^~~~~~~~~~~~~
  hint: from takes 192.0.2.1, 10.0.0.0/24, 2001:db8::/64
)");
    EXPECT_EQ(errors_of(R"(decapsulate = true
)"),
              R"(p.toml:2:15: error: "decapsulate" is a table, not a boolean
   2 | decapsulate = true
     |               ^~~~
  hint: write [decapsulate]
)");
}

}  // namespace
}  // namespace fwctl::policy
