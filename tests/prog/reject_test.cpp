// What the sender of a rejected packet is told: frames in, frames out, compared with those that the packet
// builder makes by itself.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "packet_builder.h"
#include "policy/service.h"
#include "program_runner.h"

namespace fwctl::testing {
namespace {

using policy::RejectWith;

constexpr int kXdpDrop = 1;
constexpr int kXdpTx = 3;
constexpr int kTcShot = 2;
constexpr int kTcRedirect = 7;

const std::string kClientMac = "02:00:00:00:00:01";
const std::string kServerMac = "02:00:00:00:00:02";
const std::string kClient = "192.0.2.1";
const std::string kServer = "198.51.100.1";
const std::string kClient6 = "2001:db8::1";
const std::string kServer6 = "2001:db8::2";

struct Place {
    const char* name;
    Hook hook;
    int answered;
    int dropped;
};

constexpr Place kPlaces[] = {{"Xdp", Hook::kXdp, kXdpTx, kXdpDrop},
                             {"TcIn", Hook::kTcIn, kTcRedirect, kTcShot},
                             {"TcOut", Hook::kTcOut, kTcRedirect, kTcShot}};

policy::Rule reject(RejectWith with = RejectWith::kAuto) {
    policy::Rule rule;
    rule.name = "no";
    rule.action = policy::Action::kReject;
    rule.reject_with = with;
    rule.services = {policy::Service{}};
    return rule;
}

// Nothing but the rule decides: neighbour discovery and the like are rejected, too.
policy::Policy rejecting(RejectWith with = RejectWith::kAuto) {
    policy::Policy policy;
    policy.rules = {reject(with)};
    return policy;
}

Packet to_server(const Ipv4& more = {}) {
    Ipv4 fields = more;
    fields.source = kClient;
    fields.destination = kServer;
    return ipv4(fields);
}

Packet to_client(std::uint8_t tos) {
    return ethernet({.destination = kClientMac, .source = kServerMac}) / ipv4({.source = kServer,
                                                                               .destination = kClient,
                                                                               .tos = tos,
                                                                               .ttl = 64,
                                                                               .id = 0,
                                                                               .dont_fragment = true});
}

Packet to_client6() {
    return ethernet({.destination = kClientMac, .source = kServerMac}) /
           ipv6({.source = kServer6, .destination = kClient6});
}

// The first bytes of the IP packet in a frame.
Packet quote(const Bytes& frame, std::size_t from, std::size_t most) {
    return raw(Bytes(frame.begin() + static_cast<std::ptrdiff_t>(from),
                     frame.begin() + static_cast<std::ptrdiff_t>(std::min(frame.size(), from + most))));
}

class RejectTest : public ::testing::TestWithParam<Place> {
protected:
    void start(RejectWith with = RejectWith::kAuto, fw_link link = FW_LINK_ETHERNET) {
        auto loaded = ProgramRunner::load(GetParam().hook, link, "eth0", {.may_rewrite = true});
        ASSERT_TRUE(loaded) << loaded.error().message;
        runner_.emplace(std::move(*loaded));
        ASSERT_TRUE(runner_->set_policy(rejecting(with)));
    }

    void expect_answer(const Bytes& frame, const Bytes& answer, const std::string& what = "") {
        const auto result = runner_->run(frame);
        ASSERT_TRUE(result) << result.error().message;
        EXPECT_EQ(result->trace.reason, FW_REASON_RULE_REJECT) << what;
        EXPECT_EQ(result->action, GetParam().answered) << what;
        EXPECT_EQ(result->frame, answer) << what;
    }

    void expect_silence(const Bytes& frame, const std::string& what) {
        const auto result = runner_->run(frame);
        ASSERT_TRUE(result) << result.error().message;
        EXPECT_EQ(result->trace.reason, FW_REASON_REJECT_SILENT) << what;
        EXPECT_EQ(result->action, GetParam().dropped) << what;
    }

    std::optional<ProgramRunner> runner_;
};

INSTANTIATE_TEST_SUITE_P(Hooks, RejectTest, ::testing::ValuesIn(kPlaces),
                         [](const auto& place) { return place.param.name; });

// RFC 9293, 3.10.7.1: by what the segment acknowledges, else by where it ends.
TEST_P(RejectTest, AResetFitsTheSegment) {
    struct Case {
        const char* name;
        Tcp segment;
        std::size_t payload;
        std::uint32_t sequence;
        std::uint32_t acknowledgement;
        std::uint8_t flags;
    };
    constexpr std::uint8_t kBoth = kRst | kAck;
    const Case cases[] = {
        {"syn", {.sequence = 1000, .flags = kSyn}, 0, 0, 1001, kBoth},
        {"syn at the end of the numbers", {.sequence = 0xffffffff, .flags = kSyn}, 0, 0, 0, kBoth},
        {"syn with options",
         {.sequence = 5, .flags = kSyn, .options = {2, 4, 5, 0xb4, 4, 2, 1, 1}},
         0,
         0,
         6,
         kBoth},
        {"syn with data", {.sequence = 7, .flags = kSyn}, 100, 0, 108, kBoth},
        {"fin alone", {.sequence = 9, .flags = kFin}, 0, 0, 10, kBoth},
        {"syn and fin", {.sequence = 9, .flags = kSyn | kFin}, 3, 0, 14, kBoth},
        {"nothing set", {.sequence = 11, .flags = 0}, 0, 0, 11, kBoth},
        {"data, nothing set", {.sequence = 0xfffffff0, .flags = kPsh}, 32, 0, 0x10, kBoth},
        {"syn, ack", {.sequence = 1, .acknowledgement = 77, .flags = kSyn | kAck}, 0, 77, 0, kRst},
        {"ack", {.sequence = 1, .acknowledgement = 0x80000000, .flags = kAck}, 0, 0x80000000, 0, kRst},
        {"data", {.sequence = 1, .acknowledgement = 3, .flags = kPsh | kAck}, 1000, 3, 0, kRst},
        {"fin, ack", {.sequence = 1, .acknowledgement = 4, .flags = kFin | kAck}, 0, 4, 0, kRst},
    };
    start();
    for (const Case& one : cases) {
        const Tcp reset{.source = one.segment.destination,
                        .destination = one.segment.source,
                        .sequence = one.sequence,
                        .acknowledgement = one.acknowledgement,
                        .flags = one.flags,
                        .window = 0};
        expect_answer(ethernet() / to_server() / tcp(one.segment) / payload(one.payload),
                      to_client(0) / tcp(reset), one.name);
        expect_answer(ethernet() / ipv6() / tcp(one.segment) / payload(one.payload),
                      to_client6() / tcp(reset), one.name);
    }
}

TEST_P(RejectTest, AResetLeavesOptionsExtensionsAndPaddingOut) {
    start();
    const Tcp reset{.source = 80,
                    .destination = 40000,
                    .sequence = 0,
                    .acknowledgement = 2,
                    .flags = kRst | kAck,
                    .window = 0};
    expect_answer(ethernet() / to_server({.options = {1, 1, 1, 1}}) / tcp(), to_client(0) / tcp(reset));
    expect_answer(ethernet() / to_server() / tcp() / padding(6), to_client(0) / tcp(reset));
    expect_answer(ethernet() / ipv6() / hop_by_hop() / destination_options({.size = 16}) / tcp(),
                  to_client6() / tcp(reset));
}

TEST_P(RejectTest, TagsAreKept) {
    start();
    const Tcp reset{.source = 80,
                    .destination = 40000,
                    .sequence = 0,
                    .acknowledgement = 2,
                    .flags = kRst | kAck,
                    .window = 0};
    const Packet back = ethernet({.destination = kClientMac, .source = kServerMac});
    const Packet ip = ipv4({.source = kServer, .destination = kClient, .id = 0, .dont_fragment = true});
    expect_answer(ethernet() / vlan({.id = 7, .priority = 3}) / vlan({.id = 9}) / to_server() / tcp(),
                  back / vlan({.id = 7, .priority = 3}) / vlan({.id = 9}) / ip / tcp(reset));
}

TEST_P(RejectTest, UnreachableQuotesWhatFits) {
    start();
    for (const std::size_t size : {0, 1, 2, 3, 100, 519, 520, 521, 1000, 1400}) {
        const Bytes frame = ethernet() / to_server() / udp() / payload(size);
        expect_answer(frame,
                      to_client(0xc0) / icmp({.type = 3, .code = 3, .rest = 0}) / quote(frame, 14, 548),
                      "IPv4 " + std::to_string(size));
        const Bytes frame6 = ethernet() / ipv6() / udp() / payload(size);
        expect_answer(frame6,
                      to_client6() / icmpv6({.type = 1, .code = 4, .rest = 0}) / quote(frame6, 14, 1232),
                      "IPv6 " + std::to_string(size));
    }
}

TEST_P(RejectTest, UnreachableSaysWhatTheRuleSays) {
    struct Case {
        RejectWith with;
        std::uint8_t code;
        std::uint8_t code6;
    };
    for (const Case& one :
         {Case{RejectWith::kPortUnreachable, 3, 4}, Case{RejectWith::kHostUnreachable, 1, 3},
          Case{RejectWith::kAdminProhibited, 13, 1}}) {
        start(one.with);
        for (const Packet& body : {tcp(), udp(), sctp(), icmp(), esp()}) {
            const Bytes frame = ethernet() / to_server({.options = {1, 1, 1, 0}}) / body;
            expect_answer(frame, to_client(0xc0) / icmp({.type = 3, .code = one.code, .rest = 0}) /
                                     quote(frame, 14, 548));
        }
        const Bytes frame6 = ethernet() / ipv6() / destination_options() / tcp();
        expect_answer(frame6, to_client6() / icmpv6({.type = 1, .code = one.code6, .rest = 0}) /
                                  quote(frame6, 14, 1232));
    }
}

TEST_P(RejectTest, AResetIsForTcpAlone) {
    start(RejectWith::kTcpReset);
    expect_silence(ethernet() / to_server() / udp(), "UDP");
    EXPECT_EQ(runner_->run(Bytes(ethernet() / to_server() / tcp()))->trace.reason, FW_REASON_RULE_REJECT);
}

// RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4 (e).
TEST_P(RejectTest, SomePacketsAreNotAnswered) {
    start();
    const auto from = [](const std::string& source) {
        return ipv4({.source = source, .destination = kServer});
    };
    const auto to = [](const std::string& destination) {
        return ipv4({.source = kClient, .destination = destination});
    };
    const auto from6 = [](const std::string& source) { return ipv6({.source = source}); };
    expect_silence(ethernet() / to_server() / tcp({.flags = kRst}), "a reset");
    expect_silence(ethernet() / to_server() / tcp({.flags = kRst | kAck}), "a reset that acknowledges");
    for (const std::uint8_t type : {3, 4, 5, 11, 12, 19, 40, 255})
        expect_silence(ethernet() / to_server() / icmp({.type = type}), "ICMP " + std::to_string(type));
    for (const std::uint8_t type : {5, 100, 127})
        expect_silence(ethernet() / ipv6() / icmpv6({.type = type}), "ICMPv6 " + std::to_string(type));
    expect_silence(ethernet() / to_server({.protocol = kUdp, .fragment_offset = 64}) / payload(64),
                   "a later fragment");
    expect_silence(ethernet() / ipv6() / fragment({.next_header = kUdp, .offset = 64}) / payload(64),
                   "a later fragment");
    for (const char* address : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
        expect_silence(ethernet() / from(address) / udp(), std::string("from ") + address);
        expect_silence(ethernet() / to(address) / udp(), std::string("to ") + address);
    }
    for (const char* address : {"::", "::1", "ff02::1"})
        expect_silence(ethernet() / from6(address) / udp(), std::string("from ") + address);
    expect_silence(ethernet() / ipv6({.destination = "ff0e::1"}) / udp(), "to many");
    for (const char* mac : {"ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"})
        expect_silence(ethernet({.destination = mac}) / to_server() / udp(), mac);
    // Answered all the same: queries, and what merely comes from a link-local neighbour.
    for (const std::uint8_t type : {0, 8, 13, 17})
        EXPECT_EQ(runner_->run(Bytes(ethernet() / to_server() / icmp({.type = type})))->trace.reason,
                  FW_REASON_RULE_REJECT);
    EXPECT_EQ(runner_->run(Bytes(ethernet() / from6("fe80::7") / udp()))->trace.reason,
              FW_REASON_RULE_REJECT);
}

// At TC a test run takes a link header away.
class RejectBareTest : public RejectTest {};
INSTANTIATE_TEST_SUITE_P(Xdp, RejectBareTest, ::testing::Values(kPlaces[0]));

TEST_P(RejectBareTest, PacketsWithoutALinkHeaderAreAnswered) {
    start(RejectWith::kAuto, FW_LINK_IP);
    const Bytes frame = to_server() / udp() / payload(5);
    expect_answer(
        frame,
        ipv4({.source = kServer, .destination = kClient, .tos = 0xc0, .id = 0, .dont_fragment = true}) /
            icmp({.type = 3, .code = 3, .rest = 0}) / raw(frame));
}

// Each processor sends FW_ANSWER_BURST answers at once, then so many in a second. The test stays on one.
TEST_P(RejectTest, AnswersAreLimited) {
    cpu_set_t before;
    cpu_set_t one;
    sched_getaffinity(0, sizeof(before), &before);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    start();
    const Bytes frame = ethernet() / to_server() / udp();
    const std::uint64_t begin = engine::monotonic_now();
    int answered = 0;
    int limited = 0;
    while (limited == 0 && answered < 100'000) {
        const auto result = runner_->run(frame);
        ASSERT_TRUE(result);
        (result->trace.reason == FW_REASON_RULE_REJECT ? answered : limited) += 1;
        ASSERT_EQ(result->action, limited == 1 ? GetParam().dropped : GetParam().answered);
    }
    const auto passed = static_cast<double>(engine::monotonic_now() - begin) / 1e9;
    EXPECT_EQ(limited, 1);
    EXPECT_GE(answered, +FW_ANSWER_BURST);
    EXPECT_LE(answered, +FW_ANSWER_BURST + (passed + 0.02) * +FW_ANSWERS_PER_SECOND);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(runner_->run(frame)->trace.reason, FW_REASON_RULE_REJECT) << "the bucket fills again";
    sched_setaffinity(0, sizeof(before), &before);
}

TEST(RejectByXdpTest, AProgramThatMayNotRewriteDropsInSilence) {
    auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET, "eth0", {.rewrites = true});
    ASSERT_TRUE(runner) << runner.error().message;
    ASSERT_TRUE(runner->set_policy(rejecting()));
    const auto result = runner->run(Bytes(ethernet() / to_server() / tcp()));
    EXPECT_EQ(result->action, kXdpDrop);
    EXPECT_EQ(result->trace.reason, FW_REASON_REJECT_SILENT);
}

}  // namespace
}  // namespace fwctl::testing
