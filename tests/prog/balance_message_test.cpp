// What of a balanced flow is no plain packet: options, extension headers, fragments, errors, echo, and what
// is too long.
#include <fmt/format.h>

#include "balance_lab.h"
#include "fwctl/abi/service.h"

namespace fwctl::testing {
namespace {

class BalanceMessageTest : public BalanceTest {
protected:
    std::string gets(const Packet& packet) { return lab_->backend_of(to_balancer() / packet); }
    // The frame that the client gets back.
    Packet back() const { return ethernet({.destination = kClientMac, .source = kInMac}); }
    Packet from_vip(std::uint8_t tos = 0) const {
        return ipv4({.source = kVip, .destination = kClient, .tos = tos, .id = 0, .dont_fragment = true});
    }
};
FWCTL_ON_BOTH_HOOKS(BalanceMessageTest);

const std::vector<std::string> kFour = {"w1", "w2", "w3", "w4"};
const Ipv4 kToVip{.source = kClient, .destination = kVip};
const Ipv6 kToVip6{.source = kClient6, .destination = kVip6};

// Routing headers that have done their work: type 2 (RFC 6275, 6.4) and type 4 (RFC 8754, 2) with one
// address.
Packet routed(std::uint8_t type, std::uint8_t next) {
    Bytes bytes{next, 2, type, 0, 0, 0, 0, 0};
    const Bytes address = {0x20, 0x01, 0x0d, 0xb8, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
    bytes.insert(bytes.end(), address.begin(), address.end());
    return raw(bytes);
}

TEST_P(BalanceMessageTest, OptionsAndExtensionHeadersDoNotMatter) {
    lab_->start(vip("web", kWebFields, kFour));
    const auto as_without = [&](const Packet& packet, const BalancedFlow& flow, const char* what) {
        EXPECT_EQ(gets(packet), lab_->expected("web", flow)) << what << " " << flow.port;
        const Bytes sent = lab_->run(to_balancer() / packet).frame, inside = packet;
        ASSERT_GT(sent.size(), inside.size());
        EXPECT_EQ(Bytes(sent.end() - static_cast<std::ptrdiff_t>(inside.size()), sent.end()), inside) << what;
    };
    Ipv6 routed6 = kToVip6;
    routed6.next_header = kRouting;
    for (std::uint16_t port = 1024; port < 1040; ++port)
        for (const std::uint8_t protocol : {kTcp, kUdp}) {
            const Packet transport = protocol == kTcp ? tcp({.source = port}) : udp({.source = port});
            const std::uint16_t vip_port = protocol == kTcp ? 80 : 53;
            const BalancedFlow flow{.port = port, .vip_port = vip_port, .protocol = protocol};
            Ipv4 with_options = kToVip;
            for (const Bytes& options :
                 {Bytes{1, 1, 1, 1, 7, 7, 4, 0, 0, 0, 0, 0}, Bytes{0x94, 4, 0, 0}, Bytes(40, 1)}) {
                with_options.options = options;
                as_without(ipv4(with_options) / transport, flow, "options");
            }
            const BalancedFlow flow6{
                .client = kClient6, .vip = kVip6, .port = port, .vip_port = vip_port, .protocol = protocol};
            as_without(ipv6(kToVip6) / hop_by_hop() / transport, flow6, "hop-by-hop");
            as_without(ipv6(kToVip6) / destination_options({.size = 24}) / transport, flow6, "destination");
            as_without(ipv6(kToVip6) / hop_by_hop() / destination_options({.size = 24}) / transport, flow6,
                       "both");
            as_without(ipv6(kToVip6) / fragment() / transport, flow6, "an atomic fragment");
            for (const std::uint8_t type : {2, 4})
                as_without(ipv6(routed6) / routed(type, protocol) / transport, flow6, "a routing header");
        }
}

TEST_P(BalanceMessageTest, FragmentsGoWhereTheFirstOneWent) {
    lab_->start(vip("web", kWebFields, kFour) +
                vip("other", "address = \"203.0.113.11\"\nservice = \"udp\"\nforward = \"ipip\"\n", {"w5"}));
    const auto later = [](std::uint16_t id, const std::string& to = kVip, std::uint8_t protocol = kUdp) {
        return ipv4({.source = kClient,
                     .destination = to,
                     .protocol = protocol,
                     .id = id,
                     .fragment_offset = 64}) /
               payload(100);
    };
    const auto later6 = [](std::uint32_t id) {
        return ipv6(kToVip6) / fragment({.next_header = kUdp, .offset = 64, .id = id}) / payload(100);
    };
    for (std::uint16_t id = 100; id < 120; ++id) {
        Ipv4 first = kToVip;
        first.more_fragments = true;
        first.id = id;
        expect_left_alone(to_balancer() / later(id), "its first one was not seen");
        const std::string backend = gets(ipv4(first) / udp({.source = id}) / payload(504));
        EXPECT_EQ(backend, lab_->expected("web", {.port = id, .vip_port = 53, .protocol = kUdp}));
        EXPECT_EQ(gets(later(id)), backend);
        EXPECT_EQ(gets(later(id)), backend) << "the third";
        EXPECT_EQ(lab_->run(to_balancer() / later(id)).trace.placed_why, FW_PLACED_BY_FRAGMENT);
        expect_left_alone(to_balancer() / later(id, "203.0.113.11"), "of another packet");
        expect_left_alone(to_balancer() / later(id, kVip, kSctp), "of another protocol");

        expect_left_alone(to_balancer() / later6(id), "its first one was not seen");
        const std::string backend6 =
            gets(ipv6(kToVip6) / fragment({.more = true, .id = id}) / udp({.source = id}) / payload(504));
        EXPECT_EQ(gets(later6(id)), backend6);

        const std::uint32_t other = id + 0x10000U;
        const std::string behind = gets(ipv6(kToVip6) / fragment({.more = true, .id = other}) /
                                        destination_options() / udp({.source = id}) / payload(496));
        EXPECT_EQ(behind, backend6);
        EXPECT_EQ(
            gets(ipv6(kToVip6) / fragment({.next_header = kDestinationOptions, .offset = 64, .id = other}) /
                 payload(100)),
            behind)
            << "the fragments name the header behind them";
    }
    lab_->wait(61);
    expect_left_alone(to_balancer() / later(100), "nobody waits for it any more");
}

// What a router on the way says of a packet from the VIP to the client.
TEST_P(BalanceMessageTest, ErrorsGoWhereTheirFlowIs) {
    lab_->start(vip("web", kWebFields, kFour));
    Ipv4 error = kToVip;
    error.source = "192.0.2.99";
    Ipv6 error6 = kToVip6;
    error6.source = "2001:db8:99::99";
    const Packet sent = ipv4({.source = kVip, .destination = kClient});
    const Packet sent6 = ipv6({.source = kVip6, .destination = kClient6});
    for (std::uint16_t port = 2000; port < 2020; ++port) {
        const std::string expected = lab_->expected("web", {.port = port});
        const Packet segment = tcp({.source = 80, .destination = port, .flags = kAck});
        for (const Icmp& what :
             {Icmp{.type = 3, .code = 4, .rest = 1400}, Icmp{.type = 3, .code = 1, .rest = 0},
              Icmp{.type = 11, .code = 0, .rest = 0}, Icmp{.type = 12, .code = 0, .rest = 0}})
            EXPECT_EQ(gets(ipv4(error) / icmp(what) / sent / segment / payload(30)), expected) << +what.type;
        EXPECT_EQ(gets(ipv4(error) / icmp({.type = 3, .code = 4, .rest = 1400}) /
                       raw(cut(Bytes(sent / segment), 28))),
                  expected)
            << "eight bytes behind the IP header are all that RFC 792 asks for";
        EXPECT_EQ(gets(ipv4(error) / icmp({.type = 3, .code = 3, .rest = 0}) / sent /
                       udp({.source = 53, .destination = port})),
                  lab_->expected("web", {.port = port, .vip_port = 53, .protocol = kUdp}));
        const BalancedFlow flow6{.client = kClient6, .vip = kVip6, .port = port};
        for (const Icmpv6& what : {Icmpv6{.type = 2, .rest = 1400}, Icmpv6{.type = 1, .code = 3, .rest = 0},
                                   Icmpv6{.type = 3, .rest = 0}, Icmpv6{.type = 4, .rest = 0}})
            EXPECT_EQ(gets(ipv6(error6) / icmpv6(what) / sent6 / segment / payload(30)),
                      lab_->expected("web", flow6))
                << +what.type;
        EXPECT_EQ(
            gets(ipv6(error6) / icmpv6({.type = 2, .rest = 1400}) / sent6 / destination_options() / segment),
            lab_->expected("web", flow6));
        EXPECT_FALSE(lab_->entry_of({.port = port})) << "an error opens nothing";
    }
    const auto left = [&](const Packet& packet, const char* what) {
        expect_left_alone(to_balancer() / packet, what);
    };
    const Packet segment = tcp({.source = 80, .destination = 2000, .flags = kAck});
    const Packet too_big = icmp({.type = 3, .code = 4, .rest = 1400});
    left(ipv4(error) / too_big / ipv4({.source = kClient, .destination = kVip}) / segment,
         "sent by the client");
    left(ipv4(error) / too_big / sent / tcp({.source = 81, .destination = 2000}), "of no service");
    left(ipv4(error) / too_big / sent / icmp({.type = 0}), "about an echo reply");
    left(ipv4(error) / too_big / raw(cut(Bytes(sent / segment), 20)), "without ports");
    left(ipv4(error) / too_big / raw(cut(Bytes(sent / segment), 12)), "without an IP header");
    left(ipv4(error) / too_big / ipv4({.source = kVip, .destination = kClient, .fragment_offset = 8}) /
             segment,
         "about a later fragment");
    left(ipv4(error) / too_big / sent6 / segment, "about IPv6");
    left(ipv4(error) / icmp({.type = 5, .code = 1}) / sent / segment, "a redirect");
    left(ipv4(error) / icmp({.type = 4}) / sent / segment, "a source quench");
    left(ipv6(error6) / icmpv6({.type = 2, .rest = 1400}) / sent / segment, "about IPv4");
}

TEST_P(BalanceMessageTest, AnErrorFollowsWhatTheTableSays) {
    lab_->start(vip("web", kWebFields, {"w1", "w2"}));
    BalancedFlow flow{};
    flow.port = lab_->port_for("web", flow, "w1");
    BalancedFlow unknown = flow;
    unknown.port = lab_->port_for("web", flow, "w1", static_cast<std::uint16_t>(flow.port + 1));
    EXPECT_EQ(gets(packet_of(flow, kAck)), "w1");
    lab_->apply(vip("web", kWebFields, {"w1 drain", "w2"}));
    const auto error = [](std::uint16_t port) {
        return ipv4({.source = "192.0.2.99", .destination = kVip}) /
               icmp({.type = 3, .code = 4, .rest = 1400}) / ipv4({.source = kVip, .destination = kClient}) /
               tcp({.source = 80, .destination = port, .flags = kAck});
    };
    EXPECT_EQ(gets(error(flow.port)), "w1");
    EXPECT_EQ(gets(error(unknown.port)), "w1") << "in transition: it is about a flow that goes on";
    EXPECT_EQ(gets(packet_of(flow, kFin | kAck)), "w1");
    EXPECT_EQ(gets(error(flow.port)), "w1") << "no new connection";
}

TEST_P(BalanceMessageTest, EchoIsAnswered) {
    lab_->start(vip("web", kWebFields, kFour));
    for (const std::size_t size : {0, 1, 2, 56, 57, 1000, 1400}) {
        const Icmp request{.type = 8, .rest = 0x12340007};
        const Icmp reply{.type = 0, .rest = 0x12340007};
        const RunResult result = lab_->run(to_balancer() / ipv4(kToVip) / icmp(request) / payload(size));
        EXPECT_EQ(result.trace.reason, FW_REASON_ECHO_ANSWERED) << size;
        EXPECT_EQ(result.action, lab_->answers()) << size;
        EXPECT_EQ(result.frame, Bytes(back() / from_vip() / icmp(reply) / payload(size))) << size;
        const RunResult six = lab_->run(to_balancer() / ipv6(kToVip6) / icmpv6() / payload(size));
        EXPECT_EQ(six.trace.reason, FW_REASON_ECHO_ANSWERED) << size;
        EXPECT_EQ(six.frame, Bytes(back() / ipv6({.source = kVip6, .destination = kClient6}) /
                                   icmpv6({.type = 129}) / payload(size)))
            << size;
    }
    Ipv4 with_options = kToVip;
    with_options.options = {1, 1, 1, 0};
    with_options.tos = 0xb8;
    const RunResult result = lab_->run(to_balancer() / ipv4(with_options) / icmp() / payload(5) / padding(9));
    EXPECT_EQ(result.frame, Bytes(back() / from_vip(0xb8) / icmp({.type = 0}) / payload(5)))
        << "as it was asked (RFC 1349, 5.1)";
    const Packet many = ethernet({.destination = "01:00:5e:00:00:01", .source = kClientMac});
    expect_reason(many / ipv4(kToVip) / icmp(), FW_REASON_ECHO_SILENT, "to many");
    expect_reason(to_balancer() / ipv4({.source = "0.0.0.0", .destination = kVip}) / icmp(),
                  FW_REASON_ECHO_SILENT, "from nobody");
    expect_reason(to_balancer() / ipv4(kToVip) / icmp() / payload(2000), FW_REASON_ECHO_SILENT, "too long");
}

TEST_P(BalanceMessageTest, WhatIsTooLongIsToldToItsSender) {
    lab_->start(vip("web", kWebAddress + "service = \"tcp/80\"\nforward = \"ipip\"\n", {"w1"}, 4) +
                vip("six",
                    "address = [\"203.0.113.12\", \"2001:db8:10::12\"]\nservice = \"tcp/80\"\n"
                    "forward = \"gue\"\n",
                    {"w1"}, 6) +
                vip("far",
                    "address = [\"203.0.113.13\", \"2001:db8:10::13\"]\nservice = \"tcp/80\"\n"
                    "forward = \"ipip\"\n",
                    {"w8"}));
    struct Case {
        const char* vip;
        std::uint16_t mtu;
    };
    const Case cases[] = {{"203.0.113.10", 1480}, {"203.0.113.12", 1448}, {"203.0.113.13", 980}};
    for (const Case& one : cases) {
        const BalancedFlow flow{.vip = one.vip};
        const auto frame = [&](std::size_t length) { return frame_of(flow, kAck, length - 40); };
        expect_reason(frame(one.mtu), FW_REASON_BALANCED, one.vip);
        const Bytes long_one = frame(one.mtu + 1);
        const RunResult result = lab_->run(long_one);
        EXPECT_EQ(result.trace.reason, FW_REASON_BALANCE_TOO_LONG) << one.vip;
        EXPECT_EQ(result.action, lab_->answers());
        const Bytes quote(long_one.begin() + 14, long_one.begin() + 14 + 548);
        EXPECT_EQ(result.frame, Bytes(back() /
                                      ipv4({.source = one.vip,
                                            .destination = kClient,
                                            .tos = 0xc0,
                                            .id = 0,
                                            .dont_fragment = true}) /
                                      icmp({.type = 3, .code = 4, .rest = one.mtu}) / raw(quote)));
    }
    const Case cases6[] = {{"2001:db8:10::10", 1480}, {"2001:db8:10::12", 1448}};
    for (const Case& one : cases6) {
        const BalancedFlow flow{.client = kClient6, .vip = one.vip};
        const auto frame = [&](std::size_t length) { return frame_of(flow, kAck, length - 60); };
        expect_reason(frame(one.mtu), FW_REASON_BALANCED, one.vip);
        const Bytes long_one = frame(one.mtu + 1U);
        const RunResult result = lab_->run(long_one);
        EXPECT_EQ(result.trace.reason, FW_REASON_BALANCE_TOO_LONG) << one.vip;
        const Bytes quote(long_one.begin() + 14,
                          long_one.begin() + 14 + std::min<std::ptrdiff_t>(1232, long_one.size() - 14));
        EXPECT_EQ(result.frame, Bytes(back() / ipv6({.source = one.vip, .destination = kClient6}) /
                                      icmpv6({.type = 2, .rest = one.mtu}) / raw(quote)));
    }
    expect_reason(frame_of({}, kRst, 1500), FW_REASON_BALANCE_TOO_LONG, "a reset, of which nobody is told");
    EXPECT_EQ(lab_->run(frame_of({}, kRst, 1500)).action, lab_->drops());
}

// RFC 8201, 4: a message of less would be thrown away. Here 1,300 bytes are the way's.
TEST_P(BalanceMessageTest, NobodyIsToldOfLessThanEachIpv6LinkTakes) {
    lab_->start(
        vip("far", "address = \"2001:db8:10::13\"\nservice = \"tcp/80\"\nforward = \"ipip\"\n", {"w8"}));
    const auto frame = [](std::size_t length) {
        return frame_of({.client = kClient6, .vip = "2001:db8:10::13"}, kAck, length - 60);
    };
    expect_reason(frame(1260), FW_REASON_BALANCED, "fits");
    for (const std::size_t length : {1261, 1280}) {
        const RunResult result = lab_->run(frame(length));
        EXPECT_EQ(result.trace.reason, FW_REASON_BALANCE_TOO_LONG) << length;
        EXPECT_EQ(result.action, lab_->drops()) << "its sender sends no shorter ones";
    }
    for (const std::size_t length : {1281, 1400}) {
        const Bytes long_one = frame(length);
        const Bytes quote(long_one.begin() + 14, long_one.begin() + 14 + 1232);
        const RunResult result = lab_->run(long_one);
        EXPECT_EQ(result.trace.reason, FW_REASON_BALANCE_TOO_LONG) << length;
        EXPECT_EQ(result.frame, Bytes(back() / ipv6({.source = "2001:db8:10::13", .destination = kClient6}) /
                                      icmpv6({.type = 2, .rest = 1280}) / raw(quote)));
    }
}

const std::string kChecked = kWebFields + "health = { tcp = true }\n";

// The first fragment of a connection that stays, or of what came before its backend was found to be down.
TEST_P(BalanceMessageTest, LaterFragmentsFollowTheFirstOneAlsoToABackendThatIsDown) {
    const auto part = [&](std::uint8_t protocol, std::uint16_t port, bool first) {
        Ipv4 head = kToVip;
        head.id = port;
        if (!first) {
            head.protocol = protocol;
            head.fragment_offset = 64;
            return ipv4(head) / payload(100);
        }
        head.more_fragments = true;
        return protocol == kTcp ? ipv4(head) / tcp({.source = port, .flags = kAck}) / payload(492)
                                : ipv4(head) / udp({.source = port}) / payload(504);
    };
    for (const char* down : {"keep", "move"}) {
        lab_->start(vip("web", kChecked + fmt::format("down = \"{}\"\n", down), {"w1", "w2"}));
        const std::uint16_t known = lab_->port_for("web", {}, "w1");
        const std::uint16_t before = lab_->port_for("web", {.vip_port = 53, .protocol = kUdp}, "w1",
                                                    static_cast<std::uint16_t>(known + 1));
        EXPECT_EQ(gets(packet_of({.port = known}, kAck)), "w1");
        EXPECT_EQ(gets(part(kUdp, before, true)), "w1");
        lab_->set_down("web", "w1");
        const std::string stays = down[0] == 'k' ? "w1" : "w2";
        EXPECT_EQ(gets(part(kTcp, known, true)), stays) << down;
        EXPECT_EQ(gets(part(kTcp, known, false)), stays) << down;
        EXPECT_EQ(gets(part(kUdp, before, false)), "w1") << down << ": nobody else has the rest";
        EXPECT_EQ(gets(packet_of({.port = before, .vip_port = 53, .protocol = kUdp})), "w2")
            << "the next one";
    }
}

TEST_P(BalanceMessageTest, AConnectionToABackendThatIsDownIsResetAndCountedAsThat) {
    lab_->start(vip("web", kChecked + "down = \"reset\"\n", {"w1"}));
    EXPECT_EQ(gets(packet_of({}, kAck)), "w1");
    lab_->set_down("web", "w1");
    const RunResult told = lab_->run(frame_of({}, kAck));
    EXPECT_EQ(told.trace.reason, FW_REASON_BACKEND_DOWN);
    EXPECT_EQ(told.action, lab_->answers());
    const RunResult untold = lab_->run(frame_of({}, kRst | kAck));
    EXPECT_EQ(untold.trace.reason, FW_REASON_BACKEND_DOWN) << "nobody answers a reset";
    EXPECT_EQ(untold.action, lab_->drops());
}

// Each processor sends FW_ANSWER_BURST answers at once; the rest is dropped in silence.
TEST_P(BalanceMessageTest, AnswersAreLimited) {
    lab_->start(vip("web", kWebFields, {"w1"}));
    const Bytes long_one = frame_of({}, kAck, 1460);
    const Bytes echo = to_balancer() / ipv4(kToVip) / icmp();
    int silent = 0, told = 0;
    for (int i = 0; i < 4000 && silent == 0; ++i) {
        const RunResult result = lab_->run(long_one);
        ASSERT_EQ(result.trace.reason, FW_REASON_BALANCE_TOO_LONG);
        (result.action == lab_->drops() ? silent : told) += 1;
    }
    EXPECT_EQ(silent, 1);
    EXPECT_GE(told, 1);
    int unanswered = 0;
    for (int i = 0; i < 4000 && unanswered == 0; ++i)
        if (lab_->run(echo).trace.reason == FW_REASON_ECHO_LIMITED) ++unanswered;
    EXPECT_EQ(unanswered, 1);
}

}  // namespace
}  // namespace fwctl::testing
