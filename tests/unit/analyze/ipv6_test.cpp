#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "analyze/analyze.h"
#include "written.h"

namespace fwctl::analyze {
namespace {

Words ipv4_only(const Policy& policy) {
    Words messages;
    for (const Finding& finding : analyze(policy)) {
        if (finding.kind == Finding::Kind::kIpv4Only) {
            messages.push_back(finding.message);
        }
    }
    return messages;
}

TEST(Ipv4Only, IcmpWithoutIcmp6) {
    const Words said = {R"(rule "ping" denies icmp, which is IPv4 alone, and no rule denies icmp6)"};
    EXPECT_EQ(ipv4_only(policy({deny("ping", {"icmp/echo-request"})})), said);
    EXPECT_EQ(ipv4_only(policy({deny("ping", {"icmp"}), deny("again", {"icmp"})})), said);
    EXPECT_EQ(ipv4_only(policy({deny("ping", {"icmp"}), allow("six", {"icmp6"})})), said);
    EXPECT_EQ(ipv4_only(policy({deny("ping", {"icmp", "icmp6/echo-request"})})), Words{});
    EXPECT_EQ(ipv4_only(policy({deny("ping", {"icmp"}), rule("six", Action::kReject, {"icmp6"})})), Words{});
    EXPECT_EQ(ipv4_only(policy({deny("ping", {"icmp"}, {"10.0.0.0/8"})})), Words{});
    EXPECT_EQ(ipv4_only(policy({allow("ping", {"icmp"})})), Words{});
    Policy closed = policy({allow("ping", {"icmp"})});
    closed.defaults.in = Action::kDeny;
    EXPECT_EQ(ipv4_only(closed),
              Words{R"(rule "ping" allows icmp, which is IPv4 alone, and no rule allows icmp6)"});
}

TEST(Ipv4Only, AllOfIpv4) {
    EXPECT_EQ(
        ipv4_only(policy({deny("telnet", {"tcp/23"}, {"0.0.0.0/0"})})),
        Words{R"(rule "telnet" denies from 0.0.0.0/0, which is IPv4 alone, and no rule denies it in IPv6)"});
    EXPECT_EQ(
        ipv4_only(policy({deny("telnet", {"tcp/23"}, {}, {"0.0.0.0/0"})})),
        Words{R"(rule "telnet" denies to 0.0.0.0/0, which is IPv4 alone, and no rule denies it in IPv6)"});
    EXPECT_EQ(
        ipv4_only(policy({deny("telnet", {"tcp/23"}, {"0.0.0.0/0"}), deny("six", {"tcp/23"}, {"::/0"})})),
        Words{});
    EXPECT_EQ(ipv4_only(policy({deny("telnet", {"tcp/23"}, {"0.0.0.0/0", "::/0"})})), Words{});
    EXPECT_EQ(ipv4_only(policy({deny("telnet", {"tcp/23"}, {"0.0.0.0/0"}, {"192.0.2.1"})})), Words{});
    EXPECT_EQ(ipv4_only(policy({deny("telnet", {"tcp/23"}, {"10.0.0.0/8"})})), Words{});
    EXPECT_EQ(ipv4_only(policy({allow("telnet", {"tcp/23"}, {"0.0.0.0/0"})})), Words{});
}

TEST(Ipv4Only, ASetThatTheOtherListLeavesOut) {
    const std::vector<Set> sets = {set("bad", {"198.51.100.0/24", "2001:db8::/32"})};
    EXPECT_EQ(
        ipv4_only(policy({deny("bad", {}, {"@bad"}, {"192.0.2.1"})}, sets)),
        Words{
            R"(rule "bad" never matches the IPv6 addresses of @bad: its "to" is of IPv4 alone, and no rule )"
            "denies them"});
    EXPECT_EQ(ipv4_only(policy({deny("bad", {}, {"@bad"})}, sets)), Words{});
    EXPECT_EQ(
        ipv4_only(policy(
            {deny("bad", {}, {"@bad"}, {"192.0.2.1"}), deny("six", {}, {"@bad"}, {"2001:db8::1"})}, sets)),
        Words{});
}

}  // namespace
}  // namespace fwctl::analyze
