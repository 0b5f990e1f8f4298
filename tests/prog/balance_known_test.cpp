// The short way of flows that go on (include/fwctl/bpf/known.h): that it is taken, and no longer than what it
// knows holds. Nothing but a packet's outer source tells it from the long one here, where what it knows of
// that was forged. tests/sandbox/test_balance_frames.py compares what leaves by it.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "balance_lab.h"
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
    EXPECT_TRUE(goes_short(kTcpFlow, kFin | kAck));
    const auto entry = lab_->entry_of(kTcpFlow);
    ASSERT_TRUE(entry);
    EXPECT_TRUE(entry->closing);
}

}  // namespace
}  // namespace fwctl::testing
