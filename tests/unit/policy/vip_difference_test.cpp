#include "policy/vip_difference.h"

#include <gtest/gtest.h>

#include "policy/difference.h"
#include "read_text.h"

namespace fwctl::policy {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kBefore = R"([vip.old]
address = "203.0.113.9"
service = "sctp"
forward = "ipip"
[vip.web]
address = "203.0.113.10"
service = ["tcp/80", "tcp/443"]
forward = "gue"
transition = "1h"
[[vip.web.backend]]
name = "web1"
address = "10.0.0.11"
[[vip.web.backend]]
name = "web2"
address = "10.0.0.12"
weight = 2
state = "drain"
[decapsulate]
from = "192.0.2.1"
gue_port = 6081
)";

constexpr const char* kAfter = R"([vip.web]
address = ["203.0.113.10", "2001:db8:10::10"]
service = "tcp/443"
forward = "gue"
affinity = "source/24"
announce = "eth0"
ring = 101
new_entries = 5
gue_port = 6081
enabled = false
[[vip.web.backend]]
name = "web1"
address = ["10.0.0.11", "2001:db8::11"]
weight = 2
state = "maint"
[[vip.web.backend]]
name = "web3"
address = "10.0.0.13"
weight = 5
[vip.young]
address = "203.0.113.9"
service = "sctp"
forward = "l2-dsr"
[[vip.young.backend]]
name = "a"
address = "10.0.0.1"
)";

TEST(VipDifference, SaysWhatChangesALineEach) {
    EXPECT_EQ(difference(policy_of(kBefore), policy_of(kAfter)),
              (Lines{"- vip old: sctp to 203.0.113.9 by ipip over 0 backends",
                     "~ vip web: address 203.0.113.10 -> 203.0.113.10, 2001:db8:10::10",
                     "~ vip web: service tcp/80, tcp/443 -> tcp/443", "~ vip web: announce nowhere -> eth0",
                     "~ vip web: affinity flow -> source/24", "~ vip web: ring by backends -> 101",
                     "~ vip web: transition 1h -> 10m", "~ vip web: new_entries 100000 -> 5",
                     "~ vip web: gue_port 6080 -> 6081", "~ vip web: enabled true -> false",
                     "~ vip web: - backend web2: 10.0.0.12 weight 2 drain",
                     "~ vip web: backend web1 address 10.0.0.11 -> 10.0.0.11, 2001:db8::11, weight 1 -> 2, "
                     "state ready -> maint",
                     "~ vip web: + backend web3: 10.0.0.13 weight 5",
                     "+ vip young: sctp to 203.0.113.9 by l2-dsr over 1 backend",
                     "~ decapsulate: from 192.0.2.1 -> none", "~ decapsulate: gue_port 6081 -> 6080"}));
    EXPECT_EQ(difference(policy_of(kBefore), policy_of(kBefore)), Lines{});
}

TEST(VipDifference, ShowsAHealthCheckWhole) {
    const std::string vip =
        "[vip.web]\naddress = \"203.0.113.10\"\nservice = \"tcp/80\"\nforward = \"gue\"\n";
    const std::string backend = "[[vip.web.backend]]\nname = \"a\"\naddress = \"10.0.0.1\"\n";
    const Policy without = policy_of(vip + backend);
    const Policy tcp = policy_of(vip + "health = { tcp = true }\n" + backend);
    const Policy http = policy_of(vip +
                                  "health = { http = \"/\", status = [200, 204], every = \"500ms\" }\n"
                                  "down = \"keep\"\npanic = 40\nslow_start = \"30s\"\n" +
                                  backend + "fallback = true\n");
    EXPECT_EQ(difference(without, tcp), (Lines{"~ vip web: health none -> { tcp = true }"}));
    EXPECT_EQ(difference(tcp, http),
              (Lines{"~ vip web: down move -> keep", "~ vip web: panic 0 -> 40",
                     "~ vip web: slow_start none -> 30s",
                     "~ vip web: health { tcp = true } -> { http = \"/\", status = [\"200\", \"204\"], "
                     "every = \"500ms\" }",
                     "~ vip web: backend a fallback false -> true"}));
    EXPECT_EQ(difference(http, without),
              (Lines{"~ vip web: down keep -> move", "~ vip web: panic 40 -> 0",
                     "~ vip web: slow_start 30s -> none",
                     "~ vip web: health { http = \"/\", status = [\"200\", \"204\"], every = \"500ms\" } -> "
                     "none",
                     "~ vip web: backend a fallback true -> false"}));
}

TEST(VipDifference, SaysNothingOfTheOrderInTheFile) {
    const std::string vip = "[vip.web]\naddress = \"203.0.113.10\"\nservice = \"tcp\"\nforward = \"gue\"\n";
    const std::string one = "[[vip.web.backend]]\nname = \"a\"\naddress = \"10.0.0.1\"\n";
    const std::string other = "[[vip.web.backend]]\nname = \"b\"\naddress = \"10.0.0.2\"\n";
    EXPECT_EQ(difference(policy_of(vip + one + other), policy_of(vip + other + one)), Lines{});
}

}  // namespace
}  // namespace fwctl::policy
