// Which packets are for a service, and which backend they go to.
#include <fmt/format.h>

#include <cstring>
#include <random>
#include <set>

#include "balance_lab.h"
#include "fwctl/abi/mark.h"
#include "fwctl/abi/service.h"

namespace fwctl::testing {
namespace {

FWCTL_ON_BOTH_HOOKS(BalanceTest);

const std::vector<std::string> kFour = {"w1", "w2", "w3", "w4"};

BalancedFlow drawn(std::mt19937& random, std::uint8_t protocol) {
    const std::uint16_t port = protocol == kTcp ? 80 : protocol == kUdp ? 53 : 5060;
    BalancedFlow flow{.port = static_cast<std::uint16_t>(random()), .vip_port = port, .protocol = protocol};
    if (random() % 2 != 0) {
        flow.client = fmt::format("2001:db8:{:x}::{:x}", random() % 65535 + 1, random() % 65535 + 1);
        flow.vip = kVip6;
    } else {
        flow.client =
            fmt::format("{}.{}.{}.{}", 11 + random() % 80, random() % 256, random() % 256, random() % 256);
    }
    return flow;
}

TEST_P(BalanceTest, TheHashOfAFlowNamesItsSlotOfTheRing) {
    lab_->start(vip("web", kWebFields, kFour));
    std::mt19937 random(7);
    std::set<std::string> chosen;
    for (int i = 0; i < 150; ++i) {
        const BalancedFlow flow = drawn(random, std::array{kTcp, kUdp, kSctp}[random() % 3]);
        const std::string expected = lab_->expected("web", flow);
        EXPECT_EQ(lab_->backend_of(frame_of(flow)), expected) << flow.client << " " << flow.port;
        EXPECT_EQ(lab_->backend_of(frame_of(flow, kAck, random() % 1000)), expected) << "again";
        chosen.insert(expected);
    }
    EXPECT_EQ(chosen.size(), kFour.size());
}

TEST_P(BalanceTest, ASourceStaysTogether) {
    for (const char* affinity : {"source", "source/24", "source/20,48"}) {
        lab_->start(vip("web", kWebFields + fmt::format("affinity = \"{}\"\n", affinity), kFour));
        std::mt19937 random(8);
        for (int i = 0; i < 40; ++i) {
            BalancedFlow flow = drawn(random, kTcp);
            const std::string expected = lab_->expected("web", flow);
            EXPECT_EQ(lab_->backend_of(frame_of(flow)), expected) << affinity << " " << flow.client;
            flow.port = static_cast<std::uint16_t>(random());
            flow.protocol = kUdp;
            flow.vip_port = 53;
            EXPECT_EQ(lab_->backend_of(frame_of(flow)), expected) << "another flow";
            flow.client = flow.client.substr(0, flow.client.find_last_of(".:") + 1) + "99";
            EXPECT_EQ(lab_->backend_of(frame_of(flow)) == expected, lab_->expected("web", flow) == expected)
                << "a neighbour";
            if (affinity[6] != '\0') {
                EXPECT_EQ(lab_->expected("web", flow), expected) << affinity << " a neighbour";
            }
        }
    }
}

TEST_P(BalanceTest, ProtocolsAndPortsPickTheService) {
    lab_->start(
        vip("one", kWebAddress + "service = [\"tcp/80\", \"tcp/8000-8100\"]\nforward = \"ipip\"\n", {"w1"}) +
        vip("two", kWebAddress + "service = [\"udp\", \"tcp/443\"]\nforward = \"ipip\"\n", {"w2"}) +
        vip("off", kWebAddress + "service = [\"sctp\", \"tcp/25\"]\nforward = \"ipip\"\nenabled = false\n",
            {"w3"}) +
        vip("net",
            "address = [\"198.18.4.0/22\", \"2001:db8:20::/48\"]\nservice = \"tcp/80\"\n"
            "forward = \"ipip\"\n",
            {"w4"}));
    for (const bool ipv6 : {false, true}) {
        const auto to = [&](std::uint8_t protocol, std::uint16_t port, const char* address = nullptr) {
            return frame_of({.client = ipv6 ? kClient6 : kClient,
                             .vip = address != nullptr ? address : (ipv6 ? kVip6 : kVip),
                             .vip_port = port,
                             .protocol = protocol});
        };
        for (const std::uint16_t port : {80, 8000, 8050, 8100})
            EXPECT_EQ(lab_->backend_of(to(kTcp, port)), "w1") << port;
        EXPECT_EQ(lab_->backend_of(to(kTcp, 443)), "w2");
        for (const std::uint16_t port : {0, 1, 80, 65535})
            EXPECT_EQ(lab_->backend_of(to(kUdp, port)), "w2") << port;
        for (const std::uint16_t port : {79, 81, 7999, 8101, 442, 22, 0, 65535})
            expect_left_alone(to(kTcp, port), fmt::format("tcp/{}", port));
        expect_left_alone(to(kSctp, 5060), "of a service that is switched off");
        expect_left_alone(to(kTcp, 25), "of a service that is switched off");
    }
    const auto from_client = [](const std::string& address) {
        return frame_of(
            {.client = address.find(':') == std::string::npos ? kClient : kClient6, .vip = address});
    };
    for (const char* inside :
         {"198.18.4.0", "198.18.7.255", "2001:db8:20::", "2001:db8:20:ffff:ffff:ffff:ffff:ffff"})
        EXPECT_EQ(lab_->backend_of(from_client(inside)), "w4") << inside;
    for (const char* outside : {"198.18.3.255", "198.18.8.0", "203.0.113.9", "203.0.113.11",
                                "2001:db8:1f:ffff::", "2001:db8:21::", "2001:db8:10::11"})
        expect_left_alone(from_client(outside), outside);
}

TEST_P(BalanceTest, WhatIsNotForAServiceIsLeftAlone) {
    lab_->start(vip("web", kWebFields, kFour));
    const Packet to_vip = ipv4({.source = kClient, .destination = kVip});
    const Packet to_vip6 = ipv6({.source = kClient6, .destination = kVip6});
    expect_left_alone(to_balancer() / vlan({.id = 7}) / to_vip / tcp(), "a tag");
    expect_left_alone(to_balancer() / vlan({.id = 7}) / vlan({.id = 8}) / to_vip6 / tcp(), "two tags");
    expect_left_alone(to_balancer() / ipv4({.source = kVip, .destination = kClient}) / tcp(), "from a VIP");
    expect_left_alone(to_balancer() / to_vip / gre(), "GRE");
    expect_left_alone(to_balancer() / to_vip / esp(), "ESP");
    expect_left_alone(to_balancer() / to_vip / icmp({.type = 13}), "a timestamp request");
    expect_left_alone(to_balancer() / to_vip / icmp({.type = 0}), "an echo reply");
    expect_left_alone(to_balancer() / to_vip6 / icmpv6({.type = 135}) / payload(16), "neighbour discovery");
    expect_left_alone(to_balancer() / to_vip6 / icmp(), "ICMP in IPv6");
    expect_left_alone(to_balancer() / to_vip / icmpv6(), "ICMPv6 in IPv4");
    expect_left_alone(to_balancer() / arp(), "ARP");
    expect_left_alone(ethernet({.destination = kInMac, .ethertype = 0x88b5}) / payload(50), "not IP");
}

TEST_P(BalanceTest, RulesComeBeforeServices) {
    const std::string web = vip("web", kWebFields, {"w1"});
    const Bytes frame = frame_of({});
    const auto rule = [](const char* action) {
        return fmt::format("[[rule]]\nname = \"r\"\nfrom = \"198.51.100.0/24\"\naction = \"{}\"\n", action);
    };
    lab_->start(web + rule("deny"));
    expect_reason(frame, FW_REASON_RULE_DENY, "denied");
    lab_->apply(web + rule("reject"));
    expect_reason(frame, FW_REASON_RULE_REJECT, "rejected");
    lab_->apply(web + rule("allow"));
    expect_reason(frame, FW_REASON_BALANCED, "allowed");
    lab_->apply(web + rule("count"));
    expect_reason(frame, FW_REASON_BALANCED, "counted");
    const RunResult counted = lab_->run(frame);
    EXPECT_EQ(counted.action, lab_->sends());
}

TEST_P(BalanceTest, ServicesComeBeforeTheDefault) {
    lab_->start("[defaults]\nin = \"deny\"\n" + vip("web", kWebFields, {"w1"}));
    expect_reason(frame_of({}), FW_REASON_BALANCED, "for the service");
    expect_reason(frame_of({.vip_port = 81}), FW_REASON_DEFAULT_DENY, "another port");
    expect_reason(to_balancer() / ipv4({.source = kClient, .destination = kVip}) / icmp(),
                  FW_REASON_DEFAULT_DENY, "an echo request");
}

TEST_P(BalanceTest, WithoutBackendsPacketsAreDropped) {
    lab_->start(vip("web", kWebFields, {}));
    EXPECT_EQ(lab_->backend_of(frame_of({})), "");
    lab_->start(vip("web", kWebFields, {"w1 drain", "w2 maint"}));
    EXPECT_EQ(lab_->backend_of(frame_of({})), "");
    EXPECT_EQ(lab_->backend_of(frame_of({.vip_port = 53, .protocol = kUdp})), "");
}

TEST_P(BalanceTest, WhatIsSentIsCounted) {
    lab_->start(vip("web", kWebFields, {"w1"}));
    const std::uint32_t number = lab_->number_of("web", "w1");
    const auto before = lab_->runner().store().backend_count(number).value();
    const BalancedFlow flow{.port = 41000};
    const Packet packets[] = {packet_of(flow, kSyn, 0), packet_of(flow, kAck, 0), packet_of(flow, kAck, 100),
                              packet_of({.port = 41000, .vip_port = 53, .protocol = kUdp}, 0, 8)};
    std::uint64_t bytes = 0;
    for (const Packet& packet : packets) {
        const std::size_t size = Bytes(packet).size();
        // Ethernet's shortest frame has 46 bytes behind its header.
        EXPECT_EQ(lab_->backend_of(to_balancer() / packet / padding(size < 46 ? 46 - size : 0)), "w1");
        bytes += size;
    }
    const auto after = lab_->runner().store().backend_count(number).value();
    EXPECT_EQ(after.packets - before.packets, 4U);
    EXPECT_EQ(after.bytes - before.bytes, bytes) << "of IP packets, before encapsulation";
    EXPECT_EQ(after.flows - before.flows, 2U);
}

// Headers are compared byte by byte in tests/sandbox/test_balance_frames.py.
TEST_P(BalanceTest, EachWayOfForwarding) {
    const std::string services = kWebAddress + "service = \"tcp/80\"\n";
    const BalancedFlow flow{};
    const Packet in = packet_of(flow);
    const Packet link =
        lab_->is_xdp() ? ethernet({.destination = "02:00:00:00:02:11", .source = kOutMac}) : to_balancer();
    lab_->start(vip("web", services + "forward = \"l2-dsr\"\n", {"w1"}));
    EXPECT_EQ(lab_->run(to_balancer() / in).frame, Bytes(link / in));
    lab_->apply(vip("web", services + "forward = \"ipip\"\n", {"w1"}));
    EXPECT_EQ(
        lab_->run(to_balancer() / in).frame,
        Bytes(link / ipv4({.source = kUs, .destination = "10.2.0.11", .id = 0, .dont_fragment = true}) / in));
    lab_->wait(1);
    if (!lab_->is_xdp()) return;
    // Back by where it came from.
    lab_->apply(vip("web", services + "forward = \"ipip\"\n", {"w7"}));
    const RunResult back = lab_->run(to_balancer() / in);
    EXPECT_EQ(back.action, kXdpTx);
    EXPECT_EQ(
        back.frame,
        Bytes(ethernet({.destination = "02:00:00:00:01:17", .source = kInMac}) /
              ipv4({.source = "10.1.0.1", .destination = "10.2.0.17", .id = 0, .dont_fragment = true}) / in));
}

// The kernel tells no MTU of the way to a neighbour that it does not know.
TEST_P(BalanceTest, TheNeighbourNeedNotBeKnownAtTc) {
    lab_->start(vip("web", kWebFields, {"w9"}));
    for (const BalancedFlow& flow : {BalancedFlow{}, BalancedFlow{.client = kClient6, .vip = kVip6}}) {
        const RunResult result = lab_->run(frame_of(flow, kSyn, 1400));
        // XDP is alone here: nobody behind could send it.
        EXPECT_EQ(result.trace.reason, lab_->is_xdp() ? FW_REASON_BALANCE_FAILED : FW_REASON_BALANCED);
        EXPECT_EQ(result.action, lab_->is_xdp() ? kXdpDrop : kTcRedirect);
    }
}

// Some are handed to TC ingress, so that the kernel asks for the neighbour: not where there is none.
TEST_P(BalanceTest, NothingIsHandedOnToNobody) {
    lab_->start(vip("web", kWebFields, {"w1"}));
    const Bytes frame = frame_of({});
    for (int i = 0; i < 40'000; ++i)
        ASSERT_EQ(lab_->runner().run(frame)->trace.reason, FW_REASON_BALANCED) << i;
}

// A router on the way would send it back to the balancer of the address.
TEST_P(BalanceTest, OnlyNeighboursGetFramesAsTheyAre) {
    const std::string fields = kWebAddress + "service = \"tcp/80\"\nforward = \"l2-dsr\"\n";
    lab_->start(vip("web", fields, {"w8"}));
    expect_reason(frame_of({}), FW_REASON_BALANCE_FAILED, "behind a router");
    lab_->start(vip("web", kWebFields, {"w8"}));
    expect_reason(frame_of({}), FW_REASON_BALANCED, "behind a router");
}

// What XDP cannot do it leaves to TC ingress behind it: the frame as it came, and what was decided in front.
TEST(BalanceByXdpTest, WhatTcHasToDoIsHandedOn) {
    Lab& lab = Lab::at(Hook::kXdp);
    lab.start("");
    const Station stations[] = {{.ifindex = lab.ifindex(), .may_rewrite = true, .hands_on = true},
                                {.ifindex = lab.ifindex(), .hands_on = true}};
    for (const Station& station : stations) {
        auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET, "in", station);
        ASSERT_TRUE(runner) << runner.error().message;
        ASSERT_TRUE(runner->set_policy(
            policy_of("[decapsulate]\nfrom = \"192.0.2.1\"\n" + vip("web", kWebFields, {"w9"}))));
        const Bytes frame = frame_of({});
        const auto result = runner->run(frame);
        ASSERT_TRUE(result);
        EXPECT_EQ(result->action, kXdpPass);
        EXPECT_EQ(result->frame, frame);
        fw_mark mark{};
        ASSERT_EQ(result->meta.size(), sizeof(mark));
        std::memcpy(&mark, result->meta.data(), sizeof(mark));
        EXPECT_EQ(mark.reason, FW_REASON_DEFAULT_ALLOW) << "by which it is balanced";
        const auto counters = runner->store().counters(runner->state().attachments.front().slot, FW_IN);
        for (const fw_count& count : counters->by_reason) EXPECT_EQ(count.packets, 0U) << "TC counts it";

        const Bytes packed =
            to_balancer() / ipv4({.source = "192.0.2.1", .destination = "10.1.0.1"}) / packet_of({});
        const auto unpacked = runner->run(packed);
        EXPECT_EQ(unpacked->action, kXdpPass);
        if (station.may_rewrite) {
            EXPECT_EQ(unpacked->frame, Bytes(to_balancer() / packet_of({})));
            std::memcpy(&mark, unpacked->meta.data(), sizeof(mark));
            EXPECT_EQ(mark.reason, FW_MARK_DONE) << "nobody behind balances it";
        } else {
            EXPECT_EQ(unpacked->frame, packed);
            EXPECT_TRUE(unpacked->meta.empty()) << "TC ingress judges what it unpacks";
        }
    }
}

// What the kernel would not take either: a bridge's, a mirror's, or what another balancer sends to backends.
TEST(BalanceForOthersTest, FramesToAnotherMacAddressAreLeftAlone) {
    for (const Hook hook : {Hook::kXdp, Hook::kTcIn}) {
        Lab& lab = Lab::at(hook);
        lab.start("");
        auto runner = ProgramRunner::load(hook, FW_LINK_ETHERNET, "in",
                                          {.ifindex = lab.ifindex(), .may_rewrite = true, .traces = false});
        ASSERT_TRUE(runner) << runner.error().message;
        ASSERT_TRUE(runner->set_policy(policy_of(vip("web", kWebFields, {"w7"}))));
        for (const Packet& packet : {packet_of({}), packet_of({.client = kClient6, .vip = kVip6}),
                                     ipv4({.source = kClient, .destination = kVip}) / icmp()}) {
            EXPECT_EQ(runner->run(Bytes(to_balancer() / packet))->action, lab.answers()) << "to this one's";
            for (const char* other : {"00:00:00:00:01:01", "02:00:01:00:01:01", "02:00:00:00:01:00",
                                      "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:01:01"}) {
                const Bytes frame = ethernet({.destination = other, .source = kClientMac}) / packet;
                const auto result = runner->run(frame);
                EXPECT_EQ(result->action, lab.passes()) << other;
                EXPECT_EQ(result->frame, frame) << other;
            }
        }
    }
}

// Who is to do the rest must know that it was unpacked: else a packet for a service would be balanced there.
TEST(BalanceByXdpTest, TcIsToldWhatWasUnpacked) {
    Lab& lab = Lab::at(Hook::kXdp);
    lab.start("");
    auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET, "in",
                                      {.ifindex = lab.ifindex(), .may_rewrite = true, .hands_on = true});
    ASSERT_TRUE(runner) << runner.error().message;
    ASSERT_TRUE(
        runner->set_policy(policy_of("[defaults]\nforward = \"fib\"\n[decapsulate]\nfrom = \"192.0.2.1\"\n" +
                                     vip("web", kWebFields, {"w1"}))));
    const auto marked = [&](const Bytes& frame, const Bytes& after) {
        const auto result = runner->run(frame);  // the next router's MAC address is not known
        EXPECT_EQ(result->action, kXdpPass);
        EXPECT_EQ(result->frame, after);
        fw_mark mark{};
        EXPECT_EQ(result->meta.size(), sizeof(mark));
        std::memcpy(&mark, result->meta.data(), std::min(sizeof(mark), result->meta.size()));
        EXPECT_EQ(mark.reason, FW_REASON_DEFAULT_ALLOW);
        return mark.tier;
    };
    const Bytes inside = to_balancer() / packet_of({});
    const Bytes packed =
        to_balancer() / ipv4({.source = "192.0.2.1", .destination = "10.1.0.1"}) / packet_of({});
    EXPECT_EQ(marked(packed, inside) & FW_MARK_UNPACKED, +FW_MARK_UNPACKED);
    const Bytes other = frame_of({.vip_port = 81});
    EXPECT_EQ(marked(other, other) & FW_MARK_UNPACKED, 0);
}

// With forwarding off the kernel looks nothing up for others.
TEST_P(BalanceTest, WithForwardingOffTheInterfaceIsTheOneThatTheRouteHad) {
    lab_->start(vip("web", kWebFields, {"w1"}));
    shell("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    lab_->wait(2);
    for (const BalancedFlow& flow : {BalancedFlow{}, BalancedFlow{.client = kClient6, .vip = kVip6}}) {
        const RunResult result = lab_->run(frame_of(flow));
        EXPECT_EQ(result.trace.reason, lab_->is_xdp() ? FW_REASON_BALANCE_FAILED : FW_REASON_BALANCED);
    }
    shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    lab_->wait(2);
}

}  // namespace
}  // namespace fwctl::testing
