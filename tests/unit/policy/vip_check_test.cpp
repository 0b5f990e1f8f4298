#include "policy/vip_check.h"

#include <gtest/gtest.h>

#include <string>

#include <fmt/format.h>

#include "policy/vip.h"
#include "read_text.h"

namespace fwctl::policy {
namespace {

TEST(VipCheck, RefusesWhatTwoVipsWouldBalance) {
    EXPECT_EQ(
        errors_of(R"([vip.web]
address = ["203.0.113.10", "2001:db8::10"]
service = ["tcp/80", "udp/5000-6000"]
forward = "l2-dsr"
backend = [{ name = "a", address = "10.0.0.1" }]
[vip.api]
address = "203.0.113.0/24"
service = "udp/5900-6100"
forward = "ipip"
enabled = false
[vip.beside]
address = ["203.0.113.10", "2001:db8::10"]
service = ["tcp/81", "udp/6101", "sctp"]
forward = "ipip"
backend = [{ name = "a", address = "10.0.0.1" }]
[vip.all]
address = ["2001:db8::10", "203.0.113.11"]
service = "tcp"
forward = "ipip"
backend = [{ name = "a", address = "10.0.0.1" }]
)"),
        R"(p.toml:7:1: error: vip "api" balances udp/5900-6000 of 203.0.113.10, as vip "web" does, in line 2
   7 | [vip.api]
     | ^~~~~~~~~
p.toml:17:1: error: vip "all" balances tcp/81 of 2001:db8::10, as vip "beside" does, in line 12
  17 | [vip.all]
     | ^~~~~~~~~
p.toml:17:1: error: vip "all" balances tcp/80 of 2001:db8::10, as vip "web" does, in line 2
  17 | [vip.all]
     | ^~~~~~~~~
)");
}

TEST(VipCheck, NamesTheFileOfTheOther) {
    const std::string vip =
        "]\naddress = \"203.0.113.10\"\nservice = \"tcp\"\nforward = \"ipip\"\nenabled = false\n";
    const LoadResult loaded =
        load_policy("p.toml", SnapshotReader({Source{"p.toml", "version = 1\ninclude = \"d\"\n[vip.z" + vip},
                                              Source{"d/a.toml", "[vip.a" + vip}}));
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().render(),
              "d/a.toml:1:1: error: vip \"a\" balances tcp of 203.0.113.10, as vip \"z\" does, in p.toml:3\n"
              "   1 | [vip.a]\n"
              "     | ^~~~~~~\n");
}

TEST(VipCheck, KnowsTheVipsThatTestsExpect) {
    EXPECT_EQ(errors_of(R"([vip.web]
address = "203.0.113.10"
service = "tcp/80"
forward = "l2-dsr"
[[test]]
packet = "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn"
expect = "balance wbe"
[[test]]
packet = "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn"
expect = "balance database"
[[test]]
packet = "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn"
expect = "balance Web"
[[test]]
packet = "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn"
expect = "balanced"
)"),
              R"(p.toml:2:1: warning: vip "web" has no backends: its packets are dropped
   2 | [vip.web]
     | ^~~~~~~~~
  hint: add one: [[vip.web.backend]]
p.toml:8:10: error: there is no vip "wbe"
   8 | expect = "balance wbe"
     |          ^~~~~~~~~~~~~
  hint: did you mean "web"?
p.toml:11:10: error: there is no vip "database"
  11 | expect = "balance database"
     |          ^~~~~~~~~~~~~~~~~~
  hint: define it: [vip.database]
p.toml:14:10: error: "Web" is not a vip's name: 1 to 63 of a-z 0-9 _ -
  14 | expect = "balance Web"
     |          ^~~~~~~~~~~~~
p.toml:17:10: error: "balanced" is not a verdict; write allow, deny, reject, redirect, synproxy or balance
  17 | expect = "balanced"
     |          ^~~~~~~~~~
)");
    const Policy policy = policy_of(R"([vip.web]
address = "203.0.113.10"
service = "tcp/80"
forward = "l2-dsr"
[[test]]
packet = "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn"
expect = "balance web"
[[test]]
packet = "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn"
expect = "balance"
)");
    EXPECT_EQ(policy.tests[0].expect, "balance web");
    EXPECT_EQ(policy.tests[1].expect, "balance");
}

TEST(VipCheck, WarnsOfAVipWithoutBackends) {
    const std::string vip = "[vip.web]\naddress = \"203.0.113.10\"\nservice = \"tcp\"\nforward = \"gue\"\n";
    const LoadResult loaded = load("version = 1\n" + vip);
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->warnings.render(),
              "p.toml:2:1: warning: vip \"web\" has no backends: its packets are dropped\n"
              "   2 | [vip.web]\n"
              "     | ^~~~~~~~~\n"
              "  hint: add one: [[vip.web.backend]]\n");
    const LoadResult disabled = load("version = 1\n" + vip + "enabled = false\n");
    ASSERT_TRUE(disabled.has_value());
    EXPECT_TRUE(disabled->warnings.empty());
}

// `count` of them, the last one in a vip of its own.
std::string backends(std::size_t count) {
    std::string text = "[vip.a]\naddress = \"203.0.113.10\"\nservice = \"tcp\"\nforward = \"gue\"\n";
    for (std::size_t i = 0; i + 1 < count; ++i) {
        text +=
            fmt::format("[[vip.a.backend]]\nname = \"{}\"\naddress = \"10.0.{}.{}\"\n", i, i / 256, i % 256);
    }
    return text +
           "[vip.b]\naddress = \"203.0.113.11\"\nservice = \"tcp\"\nforward = \"gue\"\n"
           "[[vip.b.backend]]\nname = \"x\"\naddress = \"10.0.0.1\"\n";
}

TEST(VipCheck, CountsBackends) {
    EXPECT_EQ(errors_of(backends(kMaxBackends)), "no error");
    EXPECT_EQ(errors_of(backends(kMaxBackends + 1)),
              "p.toml:12291:1: error: with vip \"b\" there are more than 4095 backends in all, which is the "
              "limit\n"
              "12291 | [vip.b]\n"
              "      | ^~~~~~~\n");
}

}  // namespace
}  // namespace fwctl::policy
