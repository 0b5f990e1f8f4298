// [decapsulate]: packets in packets, as a backend gets them.
#include <fmt/format.h>

#include "balance_lab.h"
#include "fwctl/abi/service.h"

namespace fwctl::testing {
namespace {

const std::string kBalancer = "192.0.2.1";
const std::string kBalancer6 = "2001:db8:1::1";
const std::string kDecapsulate = "[decapsulate]\nfrom = [\"192.0.2.1\", \"2001:db8:1::/64\"]\n";
const std::string kUs4 = "10.1.0.1";

class UnpackTest : public BalanceTest {
protected:
    void expect_unpacked(const Packet& outer, const Packet& inner, const std::string& what) {
        const RunResult result = lab_->run(to_balancer() / outer / inner);
        EXPECT_EQ(result.action, lab_->passes()) << what;
        EXPECT_EQ(result.frame, Bytes(to_balancer() / inner)) << what;
    }
};
FWCTL_ON_BOTH_HOOKS(UnpackTest);

const Packet kOuter4 = ipv4({.source = kBalancer, .destination = kUs4, .dont_fragment = true});
const Packet kOuter6 = ipv6({.source = kBalancer6, .destination = "fd00:1::1"});
const Packet kTo6080 = udp({.source = 50000, .destination = 6080});
const Packet kInner4 = packet_of({});
const Packet kInner6 = packet_of({.client = kClient6, .vip = kVip6});

Packet gue(std::uint8_t first, std::uint8_t protocol, std::size_t optional = 0) {
    Bytes bytes{first, protocol, 0, 0};
    bytes.resize(4 + optional, 0xee);
    return raw(bytes);
}

TEST_P(UnpackTest, EachFamilyInEachInEachWay) {
    lab_->start(kDecapsulate);
    for (const Packet& outer : {kOuter4, kOuter6}) {
        expect_unpacked(outer, kInner4, "IP in IP");
        expect_unpacked(outer, kInner6, "IP in IP");
        expect_unpacked(outer / kTo6080 / gue(0, kIpv4InIp), kInner4, "GUE");
        expect_unpacked(outer / kTo6080 / gue(0, kIpv6InIp), kInner6, "GUE");
        for (const std::uint8_t words : {1, 2, 31}) {
            expect_unpacked(outer / kTo6080 / gue(words, kIpv4InIp, words * 4UL), kInner4, "optional fields");
            expect_unpacked(outer / kTo6080 / gue(words, kIpv6InIp, words * 4UL), kInner6, "optional fields");
        }
    }
    expect_unpacked(ipv4({.source = kBalancer, .destination = kUs4, .options = {1, 1, 1, 0}}), kInner6,
                    "options");
    expect_unpacked(kOuter6 / destination_options({.size = 16}), kInner4, "an extension header");
    expect_unpacked(kOuter6 / fragment(), kInner4, "an atomic fragment");
}

TEST_P(UnpackTest, WhatOthersSendStaysPacked) {
    lab_->start(kDecapsulate);
    for (const char* other : {"192.0.2.2", "192.0.2.0", "10.1.0.1"}) {
        const Packet outer = ipv4({.source = other, .destination = kUs4});
        expect_left_alone(to_balancer() / outer / kInner4, other);
        expect_left_alone(to_balancer() / outer / kTo6080 / gue(0, kIpv4InIp) / kInner4, other);
    }
    expect_left_alone(to_balancer() / ipv6({.source = "2001:db8:2::1"}) / kInner6, "from another network");
    expect_left_alone(to_balancer() / ipv4({.source = kUs4, .destination = kBalancer}) / kInner4,
                      "to a balancer");
    lab_->start("");
    expect_left_alone(to_balancer() / kOuter4 / kInner4, "nothing is to be unpacked");
}

TEST_P(UnpackTest, WhatIsNotAsItShouldBeStaysPacked) {
    lab_->start(kDecapsulate);
    const auto left = [&](const Packet& packet, const char* what) {
        expect_left_alone(to_balancer() / packet, what);
    };
    const Packet to_gue = kOuter4 / kTo6080;
    left(to_gue / gue(0x20, kIpv4InIp) / kInner4, "a control message");
    left(to_gue / gue(0x40, kIpv4InIp) / kInner4, "variant 1");
    left(to_gue / gue(0x80, kIpv4InIp) / kInner4, "variant 2");
    left(to_gue / gue(0, kTcp) / kInner4, "no IP in it");
    left(to_gue / gue(0, kNoNext), "nothing in it");
    left(to_gue / raw({0, kIpv4InIp}), "half a header");
    left(to_gue, "no header");
    left(to_gue / gue(31, kIpv4InIp, 100), "optional fields beyond the end");
    left(kOuter4 / udp({.destination = 6081}) / gue(0, kIpv4InIp) / kInner4, "another port");
    left(kOuter4 / gre() / kInner4, "GRE");
    left(ipv4({.source = kBalancer, .destination = kUs4, .more_fragments = true}) / kInner4,
         "a first fragment");
    left(ipv4({.source = kBalancer, .destination = kUs4, .protocol = kIpv4InIp, .fragment_offset = 64}) /
             kInner4,
         "a later fragment");
    left(kOuter6 / fragment({.more = true}) / kInner4, "a first fragment");
    left(vlan({.id = 7}) / kOuter4 / kInner4, "a tag");
    for (const std::size_t size : {0, 1, 19}) {
        const Packet part = raw(cut(Bytes(kInner4), size));
        left(ipv4({.source = kBalancer, .destination = kUs4, .protocol = kIpv4InIp}) / part, "cut short");
        left(ipv6({.source = kBalancer6, .next_header = kIpv4InIp}) / part, "cut short");
        left(to_gue / gue(0, kIpv4InIp) / part, "cut short");
    }
    for (const std::size_t size : {0, 20, 39}) {
        const Packet part = raw(cut(Bytes(kInner6), size));
        left(ipv4({.source = kBalancer, .destination = kUs4, .protocol = kIpv6InIp}) / part, "cut short");
        left(ipv6({.source = kBalancer6, .next_header = kIpv6InIp}) / part, "cut short");
        left(to_gue / gue(0, kIpv6InIp) / part, "cut short");
    }
}

// What is inside is judged as if it had come by itself.
TEST_P(UnpackTest, RulesSeeWhatIsInside) {
    const std::string rule =
        "[[rule]]\nname = \"no\"\nfrom = \"198.51.100.7\"\nservice = \"tcp/80\"\n"
        "action = \"deny\"\n";
    lab_->start(kDecapsulate + rule);
    expect_reason(to_balancer() / kOuter4 / kInner4, FW_REASON_RULE_DENY, "inside");
    expect_reason(to_balancer() / kOuter6 / kTo6080 / gue(0, kIpv4InIp) / kInner4, FW_REASON_RULE_DENY,
                  "inside");
    expect_unpacked(kOuter4, packet_of({.client = "198.51.100.8"}), "another client");
    const Bytes part = to_balancer() /
                       ipv4({.source = kBalancer, .destination = kUs4, .protocol = kIpv4InIp}) /
                       raw(cut(Bytes(kInner4), 30));
    expect_reason(part, FW_REASON_TRUNCATED_IPV4, "cut short");
    EXPECT_EQ(lab_->run(part).action, lab_->drops());
    expect_reason(to_balancer() / kOuter4 / kTo6080 / gue(0, kIpv6InIp) / raw(cut(Bytes(kInner6), 50)),
                  FW_REASON_TRUNCATED_IPV6, "cut short");
    expect_reason(to_balancer() / kOuter4 / kTo6080 / gue(0, kIpv6InIp) / kInner4 / payload(40),
                  FW_REASON_MALFORMED_IPV6, "IPv4 that is said to be IPv6");
}

TEST_P(UnpackTest, WhatWasUnpackedIsNotBalancedAgain) {
    lab_->start(kDecapsulate + vip("web", kWebFields, {"w1"}));
    EXPECT_EQ(lab_->backend_of(to_balancer() / kInner4), "w1");
    for (const Packet& outer : {kOuter4, kOuter6}) {
        expect_unpacked(outer, kInner4, "IPv4");
        expect_unpacked(outer / kTo6080 / gue(0, kIpv6InIp), kInner6, "IPv6");
    }
    // Once: what is in it may be for somebody else.
    expect_unpacked(kOuter4, kOuter4 / kInner4, "twice packed");
}

// RFC 6040, 4.2: what a router between the two has said is not lost.
TEST_P(UnpackTest, CongestionOnTheWayIsPutIntoThePacket) {
    lab_->start(kDecapsulate);
    constexpr std::uint8_t kNone = 0, kCongested = 3;
    for (std::uint8_t before = 0; before < 4; ++before)
        for (std::uint8_t on_the_way = 0; on_the_way < 4; ++on_the_way)
            for (const std::uint16_t id : {0, 1, 0xb865, 0xffff}) {
                const auto inner = [&](std::uint8_t ecn) {
                    const auto tos = static_cast<std::uint8_t>(0xb8 | ecn);
                    return ipv4({.source = kClient, .destination = kVip, .tos = tos, .id = id}) / udp() /
                           payload(9);
                };
                const auto inner6 = [&](std::uint8_t ecn) {
                    const auto tclass = static_cast<std::uint8_t>(0x20 | ecn);
                    return ipv6({.source = kClient6, .destination = kVip6, .traffic_class = tclass}) / tcp();
                };
                const bool changes = on_the_way == kCongested && before != kNone;
                const std::uint8_t after = changes ? kCongested : before;
                for (const Packet& outer :
                     {ipv4({.source = kBalancer, .destination = kUs4, .tos = on_the_way}),
                      ipv6(
                          {.source = kBalancer6, .destination = "fd00:1::1", .traffic_class = on_the_way})}) {
                    EXPECT_EQ(lab_->run(to_balancer() / outer / inner(before)).frame,
                              Bytes(to_balancer() / inner(after)))
                        << +before << " " << +on_the_way << " " << id;
                    EXPECT_EQ(lab_->run(to_balancer() / outer / inner6(before)).frame,
                              Bytes(to_balancer() / inner6(after)))
                        << +before << " " << +on_the_way;
                }
            }
}

// Longer than the part of the frame that XDP can take away. TC: tests/sandbox/test_balance_alone.py.
TEST(UnpackByXdpTest, WhatCannotBeTakenAwayIsDropped) {
    Lab& lab = Lab::at(Hook::kXdp);
    Packet outer = kOuter6;
    for (int i = 0; i < 3; ++i) outer = outer / destination_options({.size = 2048});
    for (const char* parser : {"", "[builtin]\nmalformed = false\n"}) {
        lab.start(parser + kDecapsulate);
        for (const Packet& inner : {kInner4, kInner6}) {
            const RunResult result = lab.run(to_balancer() / outer / inner);
            EXPECT_EQ(result.trace.reason, FW_REASON_UNPACK_FAILED);
            EXPECT_EQ(result.action, kXdpDrop);
        }
    }
}

TEST_P(UnpackTest, AnotherPortOfGue) {
    lab_->start(kDecapsulate + "gue_port = 7000\n");
    expect_unpacked(kOuter4 / udp({.destination = 7000}) / gue(0, kIpv4InIp), kInner4, "its port");
    expect_left_alone(to_balancer() / kOuter4 / kTo6080 / gue(0, kIpv4InIp) / kInner4, "the usual port");
}

}  // namespace
}  // namespace fwctl::testing
