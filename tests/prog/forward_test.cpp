// Sending packets on: frames in and frames out, on interfaces, routes and neighbours of a network namespace
// of its own.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "fwctl/abi/mark.h"
#include "packet_builder.h"
#include "policy/prefix.h"
#include "program_runner.h"

namespace fwctl::testing {
namespace {

constexpr int kXdpDrop = 1;
constexpr int kXdpPass = 2;
constexpr int kXdpRedirect = 4;
constexpr int kTcPass = -1;
constexpr int kTcRedirect = 7;

// in --- out: the interfaces of a router. Behind `out` are a neighbour that is known and one that is not.
const std::string kOurMac = "02:00:00:00:01:01";
const std::string kOutMac = "02:00:00:00:02:01";
const std::string kNeighbourMac = "02:00:00:00:02:02";

void shell(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

policy::Prefix prefix(const char* text) {
    return policy::parse_prefix(text).value();
}

policy::Rule redirect(const char* interface, const char* via) {
    policy::Rule rule;
    rule.name = "on";
    rule.action = policy::Action::kRedirect;
    rule.services = {policy::Service{}};
    rule.redirect.emplace();
    rule.redirect->interface = interface;
    if (via != nullptr) rule.redirect->via = prefix(via);
    return rule;
}

class ForwardTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        shell("ip link set lo up");
        shell("ip link add in type veth peer name in-far");
        shell("ip link add out type veth peer name out-far");
        shell("ip link set in address " + kOurMac);
        shell("ip link set out address " + kOutMac);
        for (const char* link : {"in", "in-far", "out", "out-far"})
            shell(fmt::format("ip link set {} up", link));
        shell("ip address add 10.1.0.1/24 dev in && ip address add fd00:1::1/64 dev in nodad");
        shell("ip address add 10.2.0.1/24 dev out && ip address add fd00:2::1/64 dev out nodad");
        for (const char* address : {"10.2.0.2", "fd00:2::2"})
            shell(fmt::format("ip neigh add {} lladdr {} dev out nud permanent", address, kNeighbourMac));
        shell("ip route add 10.3.0.0/16 via 10.2.0.2 && ip route add fd00:3::/32 via fd00:2::2");
        shell(
            "ip route add 10.4.0.0/16 via 10.2.0.2 mtu lock 600 && ip route add fd00:4::/32 via fd00:2::2 "
            "mtu "
            "lock 1280");
        shell("ip route add blackhole 10.5.0.0/16 && ip route add blackhole fd00:5::/32");
        shell(
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0");
    }

    void start(Hook hook, const policy::Policy& policy, Station station = {.may_rewrite = true}) {
        station.ifindex = static_cast<int>(if_nametoindex("in"));
        auto loaded = ProgramRunner::load(hook, FW_LINK_ETHERNET, "in", station);
        ASSERT_TRUE(loaded) << loaded.error().message;
        runner_.emplace(std::move(*loaded));
        const auto set = runner_->set_policy(policy);
        ASSERT_TRUE(set) << set.error().message;
        if (hook != Hook::kXdp) return;
        // A test run has the queues of an interface only while that has a native program.
        ASSERT_EQ(bpf_xdp_attach(station.ifindex, runner_->program_fd(), 1U << 2, nullptr), 0);
        take_frames("out");
    }

    // Not every kernel tells which devices do.
    void take_frames(const char* name) {
        const std::uint32_t ifindex = if_nametoindex(name);
        for (const auto& [map, descriptor] : runner_->store().maps())
            if (std::string(map) == "devices") bpf_map_update_elem(descriptor, &ifindex, &ifindex, BPF_ANY);
    }

    void TearDown() override { bpf_xdp_detach(static_cast<int>(if_nametoindex("in")), 1U << 2, nullptr); }

    // One in some thousand packets is left to the kernel although it could be sent: not twice.
    RunResult run(const Bytes& frame) {
        auto result = runner_->run(frame);
        if (result && result->action == kXdpPass) result = runner_->run(frame);
        EXPECT_TRUE(result) << result.error().message;
        return result ? *result : RunResult{};
    }

    void expect_left_alone(const Bytes& frame, int action, fw_reason reason, const std::string& what) {
        const RunResult result = run(frame);
        EXPECT_EQ(result.action, action) << what;
        EXPECT_EQ(result.trace.reason, reason) << what;
        EXPECT_EQ(result.frame, frame) << what;
    }

    std::optional<ProgramRunner> runner_;
};

policy::Policy forwarding(policy::Forwarding way) {
    policy::Policy policy;
    policy.defaults.forward = way;
    const auto route = [&policy](const char* to, const char* interface, const char* via) {
        policy::Route one;
        one.prefix = prefix(to);
        one.next_hop.interface = interface;
        one.next_hop.via = prefix(via);
        policy.routes.push_back(one);
    };
    route("10.3.0.0/16", "out", "10.2.0.2");
    route("fd00:3::/32", "", "fd00:2::2");
    route("10.3.7.0/24", "gone", "10.2.0.2");
    route("10.1.0.1/32", "out", "10.2.0.2");  // our own address
    return policy;
}

Packet to_us() {
    return ethernet({.destination = kOurMac, .source = "02:00:00:00:01:02"});
}

Packet sent_on() {
    return ethernet({.destination = kNeighbourMac, .source = kOutMac});
}

Packet v4(const std::string& destination, std::uint8_t ttl = 64, std::size_t size = 10) {
    return ipv4({.source = "10.1.0.2", .destination = destination, .ttl = ttl}) / udp() / payload(size);
}

Packet v6(const std::string& destination, std::uint8_t ttl = 64, std::size_t size = 10) {
    return ipv6({.source = "fd00:1::2", .destination = destination, .hop_limit = ttl}) / udp() /
           payload(size);
}

TEST_F(ForwardTest, XdpSendsToTheNextHopOfTheKernelsTables) {
    start(Hook::kXdp, forwarding(policy::Forwarding::kFib));
    for (const std::uint8_t ttl : {2, 64, 128, 255}) {
        const auto less = static_cast<std::uint8_t>(ttl - 1);
        for (const char* destination : {"10.2.0.2", "10.3.1.2"}) {
            const RunResult result = run(to_us() / v4(destination, ttl));
            EXPECT_EQ(result.action, kXdpRedirect) << destination;
            EXPECT_EQ(result.trace.reason, FW_REASON_FORWARDED);
            EXPECT_EQ(result.frame, Bytes(sent_on() / v4(destination, less))) << destination << " " << +ttl;
        }
        for (const char* destination : {"fd00:2::2", "fd00:3::7"}) {
            const RunResult result = run(to_us() / v6(destination, ttl));
            EXPECT_EQ(result.action, kXdpRedirect) << destination;
            EXPECT_EQ(result.frame, Bytes(sent_on() / v6(destination, less))) << destination << " " << +ttl;
        }
    }
}

TEST_F(ForwardTest, TheHeaderChecksumHoldsForEveryOne) {
    start(Hook::kXdp, forwarding(policy::Forwarding::kFib));
    for (std::uint32_t id = 0; id < 65536; id += 37) {
        const auto packet = [id](std::uint8_t ttl) {
            return ipv4({.source = "10.1.0.2",
                         .destination = "10.3.0.1",
                         .ttl = ttl,
                         .id = static_cast<std::uint16_t>(id)}) /
                   udp();
        };
        ASSERT_EQ(run(to_us() / packet(64)).frame, Bytes(sent_on() / packet(63))) << id;
    }
}

// The kernel writes the link header when the neighbour is known: not in a test run.
TEST_F(ForwardTest, TcSendsToNeighboursThatAreNotKnownYetToo) {
    start(Hook::kTcIn, forwarding(policy::Forwarding::kFib));
    for (const char* destination : {"10.2.0.2", "10.2.0.77", "10.3.1.2"}) {
        const RunResult result = run(to_us() / v4(destination));
        EXPECT_EQ(result.action, kTcRedirect) << destination;
        EXPECT_EQ(result.trace.reason, FW_REASON_FORWARDED);
        EXPECT_EQ(result.frame, Bytes(to_us() / v4(destination, 63))) << destination;
    }
    for (const char* destination : {"fd00:2::2", "fd00:2::77", "fd00:3::7"}) {
        const RunResult result = run(to_us() / v6(destination));
        EXPECT_EQ(result.action, kTcRedirect) << destination;
        EXPECT_EQ(result.frame, Bytes(to_us() / v6(destination, 63))) << destination;
    }
}

TEST_F(ForwardTest, WhatOnlyTheKernelCanDoIsLeftToIt) {
    for (const policy::Forwarding way : {policy::Forwarding::kFib, policy::Forwarding::kTable}) {
        for (const Hook hook : {Hook::kXdp, Hook::kTcIn}) {
            start(hook, forwarding(way));
            const auto left = [&](const Bytes& frame, const std::string& what) {
                expect_left_alone(frame, hook == Hook::kXdp ? kXdpPass : kTcPass, FW_REASON_DEFAULT_ALLOW,
                                  what);
            };
            left(to_us() / v4("10.3.0.1", 1), "TTL 1");
            left(to_us() / v6("fd00:3::1", 1), "hop limit 1");
            left(to_us() / v4("10.3.0.1", 0), "TTL 0");
            left(to_us() / ipv4({.source = "10.1.0.2", .destination = "10.3.0.1", .options = {1, 1, 1, 0}}) /
                     udp(),
                 "options");
            left(to_us() / ipv6({.source = "fd00:1::2", .destination = "fd00:3::1"}) / hop_by_hop() / udp(),
                 "hop-by-hop options");
            left(to_us() / ipv6({.source = "fd00:1::2", .destination = "fd00:3::1"}) / routing() / udp(),
                 "routing");
            left(to_us() / vlan() / v4("10.3.0.1"), "a tag");
            left(ethernet({.destination = "02:00:00:00:01:09"}) / v4("10.3.0.1"), "not to our address");
            left(ethernet({.destination = "ff:ff:ff:ff:ff:ff"}) / v4("10.3.0.1"), "broadcast on the link");
            left(to_us() / v4("10.3.0.1", 64, 1473), "larger than the MTU");
            left(to_us() / v6("fd00:3::1", 64, 1453), "larger than the MTU");
            left(to_us() / v4("10.1.0.1"), "for us");
            left(to_us() / v4("10.2.0.1"), "for us, on the other side");
            left(to_us() / v6("fd00:2::1"), "for us");
            left(to_us() / v4("224.0.0.5"), "multicast");
            left(to_us() / v6("ff0e::5"), "multicast");
            left(to_us() / v6("fe80::5"), "link-local");
            left(to_us() / ipv6({.source = "fe80::5", .destination = "fd00:3::1"}) / udp(),
                 "from link-local");
            left(to_us() / ipv4({.source = "127.0.0.1", .destination = "10.3.0.1"}) / udp(), "from loopback");
            left(to_us() / v4("10.5.0.1"), "a black hole");
            left(to_us() / v6("fd00:5::1"), "a black hole");
            left(to_us() / v4("10.1.0.9"), "back where it came from");
            left(ethernet({.destination = kOurMac, .ethertype = 0x88b5}) / payload(50), "not IP");
            if (way == policy::Forwarding::kTable) {
                left(to_us() / v4("10.2.0.2"), "no route in the table");
                left(to_us() / v4("10.3.7.1"), "by an interface that is not there");
            } else {
                left(to_us() / v4("192.0.2.1"), "no route");
                left(to_us() / v4("10.4.0.1", 64, 573), "larger than the route's MTU");
                left(to_us() / v6("fd00:4::1", 64, 1233), "larger than the route's MTU");
                EXPECT_EQ(run(to_us() / v4("10.4.0.1", 64, 572)).trace.reason, FW_REASON_FORWARDED);
            }
            EXPECT_EQ(run(to_us() / v4("10.3.0.1", 64, 1472)).trace.reason, FW_REASON_FORWARDED);
            EXPECT_EQ(run(to_us() / ipv6({.source = "fd00:1::2", .destination = "fd00:3::1"}) /
                          fragment({.more = true}) / udp())
                          .trace.reason,
                      FW_REASON_FORWARDED);
            TearDown();
        }
    }
}

TEST_F(ForwardTest, XdpLeavesNeighboursThatAreNotKnownToOthers) {
    start(Hook::kXdp, forwarding(policy::Forwarding::kFib));
    expect_left_alone(to_us() / v4("10.2.0.78"), kXdpPass, FW_REASON_DEFAULT_ALLOW, "unknown neighbour");
}

TEST_F(ForwardTest, WithForwardingOffNothingIsSentOn) {
    start(Hook::kTcIn, forwarding(policy::Forwarding::kFib));
    shell("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    expect_left_alone(to_us() / v4("10.3.0.1"), kTcPass, FW_REASON_DEFAULT_ALLOW, "IPv4");
    expect_left_alone(to_us() / v6("fd00:3::1"), kTcPass, FW_REASON_DEFAULT_ALLOW, "IPv6");
    shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
}

TEST_F(ForwardTest, TheTableDecides) {
    for (const Hook hook : {Hook::kXdp, Hook::kTcIn}) {
        start(hook, forwarding(policy::Forwarding::kTable));
        const bool xdp = hook == Hook::kXdp;
        const RunResult four = run(to_us() / v4("10.3.255.1"));
        EXPECT_EQ(four.action, xdp ? kXdpRedirect : kTcRedirect);
        EXPECT_EQ(four.frame, Bytes((xdp ? sent_on() : to_us()) / v4("10.3.255.1", 63)));
        const RunResult six = run(to_us() / v6("fd00:3::9"));
        EXPECT_EQ(six.action, xdp ? kXdpRedirect : kTcRedirect);
        EXPECT_EQ(six.frame, Bytes((xdp ? sent_on() : to_us()) / v6("fd00:3::9", 63)));
        TearDown();
    }
}

TEST_F(ForwardTest, AFrameIsRedirectedAsItIs) {
    for (const Hook hook : {Hook::kXdp, Hook::kTcIn, Hook::kTcOut}) {
        const bool xdp = hook == Hook::kXdp;
        policy::Policy policy;
        policy.rules = {redirect("out", nullptr)};
        start(hook, policy);
        for (const Bytes& frame :
             {Bytes(to_us() / v4("192.0.2.9", 1)), Bytes(ethernet() / vlan() / v6("ff02::1")),
              Bytes(ethernet() / mpls() / payload(50))})
            expect_left_alone(frame, xdp ? kXdpRedirect : kTcRedirect, FW_REASON_RULE_REDIRECT, "as it is");
        expect_left_alone(to_us() / v4("192.0.2.9", 64, 1600), xdp ? kXdpDrop : 2, FW_REASON_REDIRECT_FAILED,
                          "too long");
        policy.rules = {redirect("gone", nullptr)};
        ASSERT_TRUE(runner_->set_policy(policy));
        expect_left_alone(to_us() / v4("192.0.2.9"), xdp ? kXdpDrop : 2, FW_REASON_REDIRECT_FAILED,
                          "not there");
        TearDown();
    }
}

TEST_F(ForwardTest, APacketIsRedirectedToANextHop) {
    for (const Hook hook : {Hook::kXdp, Hook::kTcIn}) {
        for (const char* interface : {"", "out"}) {
            const bool xdp = hook == Hook::kXdp;
            policy::Policy policy;
            policy.rules = {redirect(interface, "10.2.0.2")};
            start(hook, policy);
            const RunResult result = run(to_us() / v4("203.0.113.1"));
            EXPECT_EQ(result.action, xdp ? kXdpRedirect : kTcRedirect) << interface;
            EXPECT_EQ(result.trace.reason, FW_REASON_RULE_REDIRECT);
            EXPECT_EQ(result.frame, Bytes((xdp ? sent_on() : to_us()) / v4("203.0.113.1", 63)));
            const int pass = xdp ? kXdpPass : kTcPass;
            expect_left_alone(to_us() / v4("203.0.113.1", 1), pass, FW_REASON_REDIRECT_KERNEL, "TTL 1");
            expect_left_alone(to_us() / v4("203.0.113.1", 64, 1473), pass, FW_REASON_REDIRECT_KERNEL,
                              "too large");
            expect_left_alone(ethernet({.destination = kOurMac, .ethertype = 0x88b5}) / payload(50), pass,
                              FW_REASON_REDIRECT_KERNEL, "not IP");
            TearDown();
        }
    }
}

// What XDP may not do it hands on: the frame as it came, a mark in front, and nothing counted.
TEST_F(ForwardTest, AMarkSaysWhatIsToBeDone) {
    policy::Policy policy;
    policy.rules = {redirect("out", nullptr)};
    start(Hook::kXdp, policy, {.hands_on = true});
    const Bytes frame = to_us() / v4("192.0.2.9");
    const RunResult result = run(frame);
    EXPECT_EQ(result.action, kXdpPass);
    EXPECT_EQ(result.frame, frame);
    fw_mark mark{};
    ASSERT_EQ(result.meta.size(), sizeof(mark));
    std::memcpy(&mark, result.meta.data(), sizeof(mark));
    EXPECT_NE(mark.secret, 0U);
    EXPECT_EQ(mark.reason, FW_REASON_RULE_REDIRECT);
    EXPECT_EQ(runner_->rule_name(result.trace), "on");
    const auto counters = runner_->store().counters(runner_->state().attachments.front().slot, FW_IN);
    for (const fw_count& count : counters->by_reason) EXPECT_EQ(count.packets, 0U);

    policy.rules.front().action = policy::Action::kAllow;
    policy.rules.front().redirect.reset();
    ASSERT_TRUE(runner_->set_policy(policy));
    const RunResult passed = run(frame);
    ASSERT_EQ(passed.meta.size(), sizeof(mark));
    std::memcpy(&mark, passed.meta.data(), sizeof(mark));
    EXPECT_EQ(mark.reason, FW_MARK_DONE);
    EXPECT_EQ(passed.trace.reason, FW_REASON_RULE_ALLOW);
}

// A program that does both leaves no room in front of what it sends itself.
TEST_F(ForwardTest, WhatIsSentOnHasNoMark) {
    start(Hook::kXdp, forwarding(policy::Forwarding::kFib), {.may_rewrite = true, .hands_on = true});
    auto result = runner_->run(Bytes(to_us() / v4("10.3.0.1")));
    if (result && result->action == kXdpPass) result = runner_->run(Bytes(to_us() / v4("10.3.0.1")));
    ASSERT_TRUE(result);
    EXPECT_EQ(result->action, kXdpRedirect);
    EXPECT_TRUE(result->meta.empty());
    result = runner_->run(Bytes(to_us() / v4("10.2.0.78")));
    EXPECT_EQ(result->action, kXdpPass);
    EXPECT_EQ(result->meta.size(), sizeof(fw_mark)) << "a neighbour to be found";
}

TEST_F(ForwardTest, TcIngressJudgesWhatHasNoMark) {
    policy::Policy policy;
    policy.rules = {redirect("out", nullptr)};
    start(Hook::kTcIn, policy, {.behind_xdp = true});
    expect_left_alone(to_us() / v4("192.0.2.9"), kTcRedirect, FW_REASON_RULE_REDIRECT, "as it is");
}

}  // namespace
}  // namespace fwctl::testing
