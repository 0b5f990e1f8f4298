// The shipped programs against the oracle: each packet is run through the kernel, field by field.
//
// Other packets than the usual ones: --gtest_random_seed=N (below 100,000).
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <utility>

#include "fwctl/abi/trace.h"
#include "oracle_parse.h"
#include "packet_builder.h"
#include "packet_generator.h"
#include "program_runner.h"

namespace fwctl::testing {

namespace {

constexpr int kPackets = 20000;  // for each hook and link
constexpr int kFailuresShown = 3;

std::string reason_name(int reason) {
    constexpr const char* kNames[] = {
#define X(id, verdict, name, text) name,
        FW_REASONS(X)
#undef X
    };
    return reason >= 0 && reason < FW_REASON_COUNT ? kNames[reason] : "reason " + std::to_string(reason);
}

std::string hex_dump(const Bytes& bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        text += fmt::format("{}{:02x}", i % 16 == 0 ? fmt::format("\n    {:04x}  ", i) : " ", bytes[i]);
    return text;
}

std::string hex(const fw_address& address) {
    return fmt::format("{:02x}", fmt::join(address.bytes, " "));
}

// One line for each field that differs; empty: none does.
class Differences {
public:
    void compare(const char* field, std::size_t expected, std::size_t actual) {
        if (expected != actual) add(field, std::to_string(expected), std::to_string(actual));
    }

    void compare(const char* field, const fw_address& expected, const fw_address& actual) {
        if (std::memcmp(&expected, &actual, sizeof(expected)) != 0) add(field, hex(expected), hex(actual));
    }

    void add(const std::string& field, const std::string& expected, const std::string& actual) {
        text_ += "\n  " + field + ": expected " + expected + ", the program says " + actual;
    }

    const std::string& text() const { return text_; }

private:
    std::string text_;
};

void compare_packets(Differences& differences, const fw_packet& expected, const fw_packet& actual) {
#define COMPARE(field) differences.compare(#field, expected.field, actual.field)
    COMPARE(source);
    COMPARE(destination);
    COMPARE(length);
    COMPARE(ethertype);
    COMPARE(vlan[0]);
    COMPARE(vlan[1]);
    COMPARE(l3_offset);
    COMPARE(l4_offset);
    COMPARE(source_port);
    COMPARE(selector);
    COMPARE(vlan_tags);
    COMPARE(family);
    COMPARE(protocol);
    COMPARE(fragment);
    COMPARE(flags);
    COMPARE(tcp_flags);
    COMPARE(ttl);
    COMPARE(traffic_class);
    COMPARE(extension_count);
    COMPARE(source_mac);
    COMPARE(network_length);
    COMPARE(vlan_id);
    COMPARE(fragment_id);
#undef COMPARE
    if (differences.text().empty() && std::memcmp(&expected, &actual, sizeof(expected)) != 0)
        differences.add("reserved", "zeros", "something else, or this list lacks a field");
}

std::string action_name(Hook hook, int action) {
    bool is_xdp = hook == Hook::kXdp;
    if (action == (is_xdp ? XDP_DROP : TC_ACT_SHOT)) return "drop";
    if (is_xdp ? action == XDP_PASS : action == TC_ACT_OK || action == TC_ACT_UNSPEC) return "pass";
    return "action " + std::to_string(action);
}

std::string differences(Hook hook, const Bytes& frame, const OracleResult& expected,
                        const RunResult& actual) {
    Differences differences;
    // Without a reason the packet goes on to the built-in rules, which allow what they match.
    int reason = expected.reason.value_or(FW_REASON_DEFAULT_ALLOW);
    const bool allowed = !expected.reason && actual.trace.reason == FW_REASON_RULE_ALLOW;
    if (actual.trace.reason != reason && !allowed)
        differences.add("reason", reason_name(reason), reason_name(actual.trace.reason));
    std::string action = expected.reason.has_value() ? "drop" : "pass";
    if (action_name(hook, actual.action) != action)
        differences.add("action", action, action_name(hook, actual.action));
    compare_packets(differences, expected.packet, actual.trace.packet);
    if (actual.frame != frame) differences.add("frame", "no change", hex_dump(actual.frame));
    return differences.text();
}

// BPF_PROG_TEST_RUN's limits, found out on 6.1 and 6.18: every frame has an Ethernet header. For TC, a frame
// is one page without headroom and tailroom, and holds a whole IP header if bytes 12 and 13 promise one.
bool kernel_takes(Hook hook, const Bytes& frame) {
    constexpr std::size_t kLongestLinearFrame = 3712;
    constexpr std::size_t kEthernetSize = 14;
    if (frame.size() < kEthernetSize) return false;
    if (hook == Hook::kXdp) return true;
    int ethertype = frame[12] << 8 | frame[13];
    std::size_t network_size = ethertype == kIpv4 ? 20 : ethertype == kIpv6 ? 40 : 0;
    return frame.size() <= kLongestLinearFrame && frame.size() >= kEthernetSize + network_size;
}

struct Attachment {
    Hook hook;
    fw_link link;
};

std::string name_of(const Attachment& attachment) {
    return testing::name_of(attachment.hook) + (attachment.link == FW_LINK_ETHERNET ? "Ethernet" : "Ip");
}

// GoogleTest would print the bytes.
void PrintTo(const Attachment& attachment, std::ostream* out) {
    *out << name_of(attachment);
}

}  // namespace

class ParseTest : public ::testing::TestWithParam<Attachment> {
protected:
    void SetUp() override {
        auto loaded = ProgramRunner::load(GetParam().hook, GetParam().link);
        ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
        runner_.emplace(std::move(*loaded));
    }

    // False once enough failures have been shown.
    bool check(const Bytes& frame, const std::string& which) {
        if (!kernel_takes(GetParam().hook, frame)) return true;
        auto actual = runner_->run(frame);
        std::string wrong = actual.has_value() ? differences(GetParam().hook, frame,
                                                             oracle_parse(frame, GetParam().link), *actual)
                                               : "\n  the run failed: " + actual.error().message;
        ++compared_;
        if (wrong.empty()) return true;
        ADD_FAILURE() << which << ", " << frame.size() << " bytes, at " << name_of(GetParam()) << ":" << wrong
                      << "\n  the packet:" << hex_dump(frame);
        return ++failures_ < kFailuresShown;
    }

    Bytes on_this_link(const Packet& network) const {
        return GetParam().link == FW_LINK_ETHERNET ? ethernet() / network : network;
    }

    std::optional<ProgramRunner> runner_;
    int compared_ = 0;
    int failures_ = 0;
};

TEST_P(ParseTest, RandomPackets) {
    auto seed = static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed));
    std::mt19937_64 random(seed);
    for (int i = 0; compared_ < kPackets; ++i) {
        Bytes frame = random_packet(random, GetParam().link);
        if (!check(frame, "packet " + std::to_string(i) + " of seed " + std::to_string(seed))) break;
    }
}

TEST_P(ParseTest, EveryPrefix) {
    const Packet networks[] = {
        vlan() / vlan({.tag_ethertype = kServiceVlan}) / vlan() / ipv4() / udp(),
        vlan() / ipv4({.options = Bytes(12, 1)}) / tcp({.options = Bytes(12, 1)}) / payload(8),
        vlan() / ipv6() / hop_by_hop() / routing({.size = 24}) / fragment() / ah() / sctp() / payload(4),
        ipv4({.protocol = kTcp, .fragment_offset = 1}) / payload(30),
        ipv4() / icmp() / payload(30),
        ipv6() / destination_options({.size = 2048}) / destination_options({.size = 2048}) / tcp() /
            payload(9),
    };
    for (const Packet& network : networks) {
        const Bytes frame = on_this_link(network);
        for (std::size_t size = 0; size <= frame.size(); ++size) {
            if (!check(cut(frame, size), "a prefix")) return;
        }
    }
}

// The same packets, the IP length adjusted to the cut: now it is the IP packet that ends, not the frame.
TEST_P(ParseTest, EveryLength) {
    for (std::uint16_t length = 0; length <= 100; ++length) {
        check(on_this_link(ipv4({.options = Bytes(8, 1), .total_length = length}) /
                           tcp({.options = Bytes(8)}) / payload(10) / padding(60)),
              "IPv4, an end");
        check(on_this_link(ipv6({.payload_length = length}) / hop_by_hop() / ah() / fragment() / udp() /
                           payload(10) / padding(60)),
              "IPv6, an end");
        if (failures_ >= kFailuresShown) return;
    }
}

// Every protocol number in both families, with enough behind it for any header.
TEST_P(ParseTest, EveryProtocol) {
    for (int number = 0; number <= 255; ++number) {
        auto protocol = static_cast<std::uint8_t>(number);
        check(on_this_link(ipv4({.protocol = protocol}) / raw(Bytes(64, 0x55))), "IPv4, a protocol");
        check(on_this_link(ipv6({.next_header = protocol}) / payload(64)), "IPv6, a protocol");
        check(on_this_link(ipv6() / routing({.next_header = protocol}) / raw(Bytes(64, 0x55))),
              "IPv6, an inner one");
        if (failures_ >= kFailuresShown) return;
    }
}

// Lengths of 0 mean "all that is left" from 65,536 bytes on. BPF_PROG_TEST_RUN takes no TC frames above 3,712
// bytes.
class LongFrameTest : public ParseTest {};

TEST_P(LongFrameTest, Jumbograms) {
    for (std::size_t size : {65534, 65535, 65536, 65537, 70000}) {
        check(on_this_link(ipv4({.total_length = 0}) / tcp() / payload(size - 40)), "BIG TCP");
        check(on_this_link(ipv4({.header_words = 4, .total_length = 0}) / tcp() / payload(size - 40)),
              "BIG TCP");
        check(on_this_link(ipv6({.payload_length = 0}) / tcp() / payload(size - 20)), "a jumbogram");
        check(on_this_link(ipv6({.payload_length = 0}) / hop_by_hop() / udp() / payload(size - 16)),
              "a jumbogram");
    }
}

INSTANTIATE_TEST_SUITE_P(
    Attachments, ParseTest,
    ::testing::Values(Attachment{Hook::kXdp, FW_LINK_ETHERNET}, Attachment{Hook::kXdp, FW_LINK_IP},
                      Attachment{Hook::kTcIn, FW_LINK_ETHERNET}, Attachment{Hook::kTcIn, FW_LINK_IP},
                      Attachment{Hook::kTcOut, FW_LINK_ETHERNET}, Attachment{Hook::kTcOut, FW_LINK_IP}),
    [](const auto& instance) { return name_of(instance.param); });

INSTANTIATE_TEST_SUITE_P(Attachments, LongFrameTest,
                         ::testing::Values(Attachment{Hook::kXdp, FW_LINK_ETHERNET},
                                           Attachment{Hook::kXdp, FW_LINK_IP}),
                         [](const auto& instance) { return name_of(instance.param); });

}  // namespace fwctl::testing
