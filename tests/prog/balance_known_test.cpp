// The short way of flows that go on (include/fwctl/bpf/known.h): that it is taken, and no longer than what it
// knows holds. Nothing but a packet's outer source tells it from the long one here, where what it knows of
// that was forged. tests/sandbox/test_balance_frames.py compares what leaves by it.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "balance_lab.h"
#include "fwctl/abi/mark.h"
#include "fwctl/abi/service.h"

namespace fwctl::testing {
namespace {

// Of the maps that each program has for itself.
int own_map(int program, const std::string& name) {
    std::uint32_t maps[128] = {};
    bpf_prog_info info{};
    info.nr_map_ids = std::size(maps);
    info.map_ids = reinterpret_cast<std::uintptr_t>(maps);
    std::uint32_t size = sizeof(info);
    EXPECT_EQ(bpf_obj_get_info_by_fd(program, &info, &size), 0);
    for (std::uint32_t i = 0; i < info.nr_map_ids; ++i) {
        const int map = bpf_map_get_fd_by_id(maps[i]);
        bpf_map_info its{};
        size = sizeof(its);
        if (bpf_obj_get_info_by_fd(map, &its, &size) == 0 && name == its.name) return map;
        close(map);
    }
    ADD_FAILURE() << "no map " << name;
    return -1;
}

constexpr std::size_t kRoomSize = (sizeof(fw_balance_room) + 7) / 8 * 8;  // as the kernel hands them out

std::vector<fw_balance_room> rooms_of(const ProgramRunner& runner) {
    const std::uint32_t zero = 0;
    std::vector<fw_balance_room> rooms(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    std::vector<std::uint8_t> bytes(kRoomSize * rooms.size());
    const int map = own_map(runner.program_fd(), "balance_room");
    EXPECT_EQ(bpf_map_lookup_elem(map, &zero, bytes.data()), 0);
    close(map);
    for (std::size_t i = 0; i < rooms.size(); ++i)
        std::memcpy(&rooms[i], &bytes[i * kRoomSize], sizeof(rooms[i]));
    return rooms;
}

void name_backend(const ProgramRunner& runner, std::uint32_t backend) {
    const std::uint32_t zero = 0;
    std::vector<fw_balance_room> rooms = rooms_of(runner);
    std::vector<std::uint8_t> bytes(kRoomSize * rooms.size());
    for (std::size_t i = 0; i < rooms.size(); ++i) {
        rooms[i].named = backend;
        std::memcpy(&bytes[i * kRoomSize], &rooms[i], sizeof(rooms[i]));
    }
    const int map = own_map(runner.program_fd(), "balance_room");
    EXPECT_EQ(bpf_map_update_elem(map, &zero, bytes.data(), BPF_ANY), 0);
    close(map);
}

// Whether the packet was chosen for in full: that writes whom its connection id names.
bool is_chosen_for(const ProgramRunner& runner, const Bytes& frame) {
    constexpr std::uint32_t kNobody = 4000;
    name_backend(runner, kNobody);
    EXPECT_TRUE(runner.run(frame));
    for (const fw_balance_room& room : rooms_of(runner))
        if (room.named != kNobody) return true;
    return false;
}

class BalanceKnownTest : public ::testing::Test {
protected:
    void SetUp() override {
        lab_ = &Lab::at(Hook::kXdp);
        start(vip("web", kWebFields, {"w1"}));
    }
    void start(const std::string& text) {
        lab_->start(text);
        lab_->wait(1);  // what tests before have found out does not hold any more
    }

    // The next packet of the flow. Whether it has gone the short way: with the source that was forged.
    bool goes_short(const BalancedFlow& flow, std::uint8_t flags = kAck) {
        forge();
        const RunResult result = lab_->run(frame_of(flow, flags));
        EXPECT_EQ(result.trace.reason, FW_REASON_BALANCED);
        EXPECT_GT(result.frame.size(), 34U);
        return std::memcmp(&result.frame[26], kForged, sizeof(kForged)) == 0;
    }
    bool is_chosen_for(const BalancedFlow& flow, std::uint8_t flags) {
        return testing::is_chosen_for(lab_->runner(), frame_of(flow, flags));
    }

private:
    static constexpr std::uint8_t kForged[] = {192, 0, 2, 99};

    void forge() {
        const int map = own_map(lab_->runner().program_fd(), "known_ways");
        std::vector<fw_known_way> ways(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        const std::uint32_t number = lab_->number_of("web", "w1");
        ASSERT_EQ(bpf_map_lookup_elem(map, &number, ways.data()), 0);
        for (fw_known_way& way : ways) std::memcpy(way.from.bytes, kForged, sizeof(kForged));
        ASSERT_EQ(bpf_map_update_elem(map, &number, ways.data(), BPF_ANY), 0);
        close(map);
    }

protected:
    Lab* lab_ = nullptr;
};

const BalancedFlow kTcpFlow{};
const BalancedFlow kUdpFlow{.vip_port = 53, .protocol = kUdp};

TEST_F(BalanceKnownTest, AFlowThatGoesOnTakesIt) {
    for (const BalancedFlow& flow : {kTcpFlow, kUdpFlow}) {
        start(vip("web", kWebFields, {"w1"}));
        EXPECT_FALSE(goes_short(flow)) << "the first one has to find out";
        EXPECT_TRUE(goes_short(flow));
        EXPECT_TRUE(goes_short(flow));
    }
}

TEST_F(BalanceKnownTest, NotBeyondTheSecond) {
    goes_short(kTcpFlow);
    lab_->wait(1);
    EXPECT_FALSE(goes_short(kTcpFlow));
    EXPECT_TRUE(goes_short(kTcpFlow));
}

TEST_F(BalanceKnownTest, NotBeyondThePolicy) {
    goes_short(kTcpFlow);
    lab_->apply(vip("web", kWebFields, {"w1"}));
    EXPECT_FALSE(goes_short(kTcpFlow));
    lab_->apply(vip("web", kWebAddress + "service = [\"tcp/80\"]\nforward = \"l2-dsr\"\n", {"w1"}));
    EXPECT_FALSE(goes_short(kTcpFlow));
}

// What its flow's backend is now is asked each time.
TEST_F(BalanceKnownTest, NotToABackendThatIsDown) {
    start(vip("web", kWebFields, {"w1", "w2"}));
    const BalancedFlow flow{.port = lab_->port_for("web", {}, "w1")};
    goes_short(flow);
    EXPECT_TRUE(goes_short(flow));
    lab_->set_down("web", "w1");
    EXPECT_EQ(lab_->backend_of(frame_of(flow, kAck)), "w2");
    EXPECT_EQ(lab_->backend_of(frame_of(flow, kAck)), "w2");
}

// Counted, and remembered to be active, as by the long way.
TEST_F(BalanceKnownTest, ItCountsAndTouches) {
    goes_short(kUdpFlow);
    lab_->wait(5);
    goes_short(kUdpFlow);
    const std::uint32_t number = lab_->number_of("web", "w1");
    const auto before = lab_->runner().store().backend_count(number).value();
    lab_->wait(1);
    EXPECT_FALSE(goes_short(kUdpFlow));
    EXPECT_TRUE(goes_short(kUdpFlow));
    const auto after = lab_->runner().store().backend_count(number).value();
    EXPECT_EQ(after.packets - before.packets, 2U);
    EXPECT_EQ(after.bytes - before.bytes, 2 * Bytes(packet_of(kUdpFlow)).size());
    EXPECT_EQ(after.flows, before.flows);
    const auto entry = lab_->entry_of(kUdpFlow);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->time, lab_->now() & ((1U << FW_PLACED_TIME_BITS) - 1));
}

TEST_F(BalanceKnownTest, RulesAreAskedAllTheSame) {
    goes_short(kTcpFlow);
    EXPECT_TRUE(goes_short(kTcpFlow));
    lab_->apply("[[rule]]\nname = \"no\"\nfrom = \"198.51.100.0/24\"\naction = \"deny\"\n" +
                vip("web", kWebFields, {"w1"}));
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(lab_->run(frame_of(kTcpFlow, kAck)).trace.reason, FW_REASON_RULE_DENY);
}

// What opens or ends a flow is chosen for anew; the way is known all the same.
TEST_F(BalanceKnownTest, WhatOpensAndEndsIsSeen) {
    goes_short(kTcpFlow);
    EXPECT_FALSE(is_chosen_for(kTcpFlow, kAck));
    EXPECT_TRUE(is_chosen_for(kTcpFlow, kSyn));
    EXPECT_TRUE(is_chosen_for(kTcpFlow, kRst));
    EXPECT_TRUE(goes_short(kTcpFlow, kFin | kAck));
    const auto entry = lab_->entry_of(kTcpFlow);
    ASSERT_TRUE(entry);
    EXPECT_TRUE(entry->closing);
}

// What stands in the table of a flow is no word on a service that has got its port since.
TEST_F(BalanceKnownTest, APortThatMovesIsAnotherService) {
    const std::string one =
        "address = \"203.0.113.10\"\nservice = [\"tcp/80\", \"tcp/81\"]\nforward = \"ipip\"\n";
    const std::string two = "address = \"203.0.113.10\"\nservice = [\"tcp/80\"]\nforward = \"ipip\"\n";
    start(vip("web", one, {"w1"}));
    goes_short(kTcpFlow);
    goes_short(kTcpFlow);
    lab_->apply(
        vip("web", "address = \"203.0.113.10\"\nservice = [\"tcp/81\"]\nforward = \"ipip\"\n", {"w1"}) +
        vip("other", two, {"w2"}));
    const BalancedFlow beside{.vip_port = 81};
    for (int i = 0; i < 2; ++i) goes_short(beside);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(lab_->backend_of(frame_of(kTcpFlow, kAck)), "w2") << i;
}

// Nobody is pushed out for an entry of a backend that keeps nothing.
TEST_F(BalanceKnownTest, WhatDoesNotCountIsNotTouched) {
    start(vip("web", kWebFields, {"w1", "w2"}));
    const BalancedFlow flow{.port = lab_->port_for("web", {}, "w1")};
    EXPECT_EQ(lab_->backend_of(frame_of(flow, kAck)), "w1");
    lab_->apply(vip("web", kWebFields, {"w1 maint", "w2"}));
    lab_->wait(4);
    const std::uint32_t idle = lab_->now() - 100;
    for (unsigned way = 0; way < FW_PLACED_KEPT; ++way) lab_->plant(flow, way, "w2", idle);
    EXPECT_EQ(lab_->backend_of(frame_of({.port = 9}, kAck)), "w2");  // the service is known now
    EXPECT_EQ(lab_->backend_of(frame_of(flow, kAck)), "w2");
    for (unsigned way = 0; way < FW_PLACED_KEPT; ++way)
        EXPECT_TRUE(lab_->stands(flow, way, "w2", idle)) << way;
}

// What is translated: its tables are there where nothing is rehearsed, and the clock goes.
class BalanceKnownNatTest : public ::testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        Lab& lab = Lab::at(Hook::kXdp);
        lab.start("");
        auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET, "in",
                                          {.ifindex = lab.ifindex(), .may_rewrite = true});
        ASSERT_TRUE(runner) << runner.error().message;
        runner_.emplace(std::move(*runner));
        ASSERT_TRUE(runner_->set_policy(policy_of(vip(
            "web",
            fmt::format("{}service = [\"tcp/80\", \"udp/53\"]\nforward = \"{}\"\n", kWebAddress, GetParam()),
            {"w7"}))));
    }

    RunResult run(const Bytes& frame) {
        auto result = runner_->run(frame);
        EXPECT_TRUE(result) << result.error().message;
        return result ? *result : RunResult{};
    }
    // A second may be over between two packets, but not between all of these.
    bool goes_short(const Bytes& frame) {
        for (int i = 0; i < 5; ++i)
            if (!is_chosen_for(*runner_, frame)) return true;
        return false;
    }
    // The backend's to what it has got.
    static Bytes answer_to(const Bytes& sent, std::uint8_t protocol) {
        const auto port = [&](std::size_t at) {
            return static_cast<std::uint16_t>(sent.at(at) << 8 | sent.at(at + 1));
        };
        const auto address = [&](std::size_t at) {
            return fmt::format("{}.{}.{}.{}", sent.at(at), sent.at(at + 1), sent.at(at + 2), sent.at(at + 3));
        };
        const Packet transport =
            protocol == kTcp ? tcp({.source = port(36), .destination = port(34), .flags = kSyn | kAck})
                             : udp({.source = port(36), .destination = port(34)});
        return to_balancer() / ipv4({.source = address(30), .destination = address(26)}) / transport;
    }

    std::optional<ProgramRunner> runner_;
};
INSTANTIATE_TEST_SUITE_P(Ways, BalanceKnownNatTest, ::testing::Values("nat", "full-nat"),
                         [](const auto& way) {
                             return std::string(way.param == std::string("nat") ? "Nat" : "FullNat");
                         });

TEST_P(BalanceKnownNatTest, AFlowThatGoesOnTakesIt) {
    for (const BalancedFlow& flow : {kTcpFlow, kUdpFlow}) {
        const Bytes frame = frame_of(flow, kAck);
        const RunResult first = run(frame);
        EXPECT_EQ(first.trace.reason, FW_REASON_BALANCED);
        EXPECT_EQ(first.action, kXdpTx);
        EXPECT_TRUE(goes_short(frame));
        const RunResult next = run(frame);
        EXPECT_EQ(next.action, first.action);
        EXPECT_EQ(next.frame, first.frame);
    }
}

// Once more the long way when it is to be confirmed, as its client goes on behind an answer.
TEST_P(BalanceKnownNatTest, NotWhatIsToBeConfirmed) {
    for (const BalancedFlow& flow : {kTcpFlow, kUdpFlow}) {
        const Bytes frame = frame_of(flow, kAck);
        const RunResult first = run(frame);
        EXPECT_TRUE(goes_short(frame));
        run(answer_to(first.frame, flow.protocol));
        EXPECT_TRUE(is_chosen_for(*runner_, frame));
        EXPECT_TRUE(goes_short(frame));
        EXPECT_EQ(run(frame).frame, first.frame);
    }
}

TEST_P(BalanceKnownNatTest, NotWhatOpensEndsOrExpires) {
    const Bytes frame = frame_of(kTcpFlow, kAck);
    run(frame);
    EXPECT_TRUE(goes_short(frame));
    EXPECT_TRUE(is_chosen_for(*runner_, frame_of(kTcpFlow, kSyn)));
    EXPECT_TRUE(is_chosen_for(*runner_, frame_of(kTcpFlow, kFin | kAck)));
    const RunResult expired =
        run(to_balancer() / ipv4({.source = kClient, .destination = kVip, .ttl = 1}) / tcp({.flags = kAck}));
    EXPECT_EQ(expired.trace.reason, FW_REASON_BALANCE_EXPIRED);
}

// With TC ingress behind it XDP leaves one packet to the kernel, now and then, also where what is too long
// comes first in each second.
TEST(BalanceKnownWayTest, TheKernelSendsNowAndThen) {
    Lab& lab = Lab::at(Hook::kXdp);
    lab.start("");
    auto runner = ProgramRunner::load(
        Hook::kXdp, FW_LINK_ETHERNET, "in",
        {.ifindex = lab.ifindex(), .may_rewrite = true, .hands_on = true, .rehearses = true});
    ASSERT_TRUE(runner) << runner.error().message;
    ASSERT_TRUE(runner->set_policy(policy_of(vip("web", kWebFields, {"w7"}))));
    constexpr int kSeconds = 400;
    constexpr int kPackets = 3;
    std::uint64_t clock = std::uint64_t{100'000} << FW_PLACED_TICK_SHIFT;
    for (const bool is_long_first : {false, true}) {
        int handed_on = 0;
        for (int second = 0; second < kSeconds; ++second) {
            clock += std::uint64_t{1} << FW_PLACED_TICK_SHIFT;
            ASSERT_TRUE(runner->set_clock(clock));
            if (is_long_first) {
                const auto result = runner->run(frame_of({}, kAck, 1480));
                EXPECT_EQ(result->trace.reason, FW_REASON_BALANCE_TOO_LONG);
            }
            for (int i = 0; i < kPackets; ++i)
                handed_on += runner->run(frame_of({}, kAck))->action == kXdpPass ? 1 : 0;
        }
        // One second of eight, by lot: fifty of four hundred.
        EXPECT_GT(handed_on, 15) << is_long_first;
        EXPECT_LT(handed_on, 120) << is_long_first;
    }
}

// Metadata of a program before ours: where there is no room left for a mark, TC ingress gets the frame as it
// came.
TEST(BalanceKnownWayTest, WithoutRoomForAMarkNothingIsChanged) {
    Lab& lab = Lab::at(Hook::kXdp);
    lab.start("");
    auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET, "in",
                                      {.ifindex = lab.ifindex(), .may_rewrite = true, .hands_on = true});
    ASSERT_TRUE(runner) << runner.error().message;
    ASSERT_TRUE(runner->set_policy(
        policy_of("[decapsulate]\nfrom = \"192.0.2.1\"\n" + vip("web", kWebFields, {"w1"}))));
    const Bytes packed =
        to_balancer() / ipv4({.source = "192.0.2.1", .destination = "10.1.0.1"}) / packet_of({});
    int without = 0;
    for (const unsigned meta : {0U, 8U, 12U, 32U, 200U, 216U, 232U}) {
        std::vector<std::uint8_t> in(meta, 0), out(2048);
        in.insert(in.end(), packed.begin(), packed.end());
        xdp_md before{}, after{};
        before.data = meta;
        before.data_end = static_cast<std::uint32_t>(in.size());
        before.ingress_ifindex = static_cast<std::uint32_t>(lab.ifindex());
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.data(), .data_out = out.data(),
                    .data_size_in = static_cast<std::uint32_t>(in.size()),
                    .data_size_out = static_cast<std::uint32_t>(out.size()), .ctx_in = &before,
                    .ctx_out = &after, .ctx_size_in = sizeof(before), .ctx_size_out = sizeof(after));
        if (bpf_prog_test_run_opts(runner->program_fd(), &options) != 0)
            continue;  // more than this kernel takes
        EXPECT_EQ(options.retval, static_cast<std::uint32_t>(kXdpPass)) << meta;
        const bool is_marked = after.data == meta + sizeof(fw_mark);
        const Bytes inside = to_balancer() / packet_of({});
        const Bytes& expected = is_marked ? inside : packed;
        out.resize(options.data_size_out);
        EXPECT_EQ(std::vector(out.begin() + after.data, out.end()),
                  std::vector(expected.begin(), expected.end()))
            << meta;
        without += is_marked ? 0 : 1;
    }
    EXPECT_GT(without, 0);
}

}  // namespace
}  // namespace fwctl::testing
