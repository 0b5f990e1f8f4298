// Listeners that want packets' bytes.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "engine/verdict.h"
#include "listening.h"
#include "packet_builder.h"
#include "packet_generator.h"

namespace fwctl::testing {
namespace {

using engine::Listener;
using engine::Wanted;
using std::chrono_literals::operator""ms;

struct Seen {
    fw_capture about;
    Bytes bytes;
};

class CaptureTest : public ::testing::TestWithParam<std::pair<Hook, fw_link>> {
protected:
    void SetUp() override {
        runner_ = load_denying_udp(GetParam().first, GetParam().second);
        ASSERT_NE(runner_, nullptr);
    }

    Listener listen(const Wanted& wanted) const { return listen_to(runner_->store(), wanted); }

    static std::vector<Seen> seen(Listener& listener) {
        std::vector<Seen> all;
        std::size_t before = 0;
        do {
            before = all.size();
            const auto read = listener.read(0ms, [&](const fw_event& event, const kernel::Frame& frame) {
                if (frame.about == nullptr) return false;
                EXPECT_EQ(&event, &frame.about->event);
                all.push_back({*frame.about, Bytes(frame.bytes.begin(), frame.bytes.end())});
                return true;
            });
            EXPECT_TRUE(read) << read.error().message;
        } while (all.size() != before);
        return all;
    }

    // Those that the test run takes.
    std::vector<Bytes> run_random(int count) const {
        std::mt19937_64 random(7);
        std::vector<Bytes> taken;
        for (int i = 0; i < count; ++i) {
            Bytes frame = random_packet(random, GetParam().second);
            if (runner_->run(frame)) taken.push_back(std::move(frame));
        }
        return taken;
    }

    // What the hook is answered.
    [[nodiscard]] static std::int32_t action_of(std::uint8_t reason) {
        const bool drops = engine::reason_of(reason).verdict == FW_DROP;
        if (GetParam().first == Hook::kXdp) return drops ? 1 : 2;  // XDP_DROP, XDP_PASS
        return drops ? 2 : -1;                                     // TC_ACT_SHOT, TC_ACT_UNSPEC
    }

    std::unique_ptr<ProgramRunner> runner_;
};

using Way = std::pair<Hook, fw_link>;

std::string way_name(const ::testing::TestParamInfo<Way>& info) {
    const std::string name = name_of(info.param.first);
    return info.param.second == FW_LINK_IP ? name + "Ip" : name;
}

INSTANTIATE_TEST_SUITE_P(Hooks, CaptureTest,
                         ::testing::Values(Way(Hook::kXdp, FW_LINK_ETHERNET),
                                           Way(Hook::kTcIn, FW_LINK_ETHERNET),
                                           Way(Hook::kTcOut, FW_LINK_ETHERNET), Way(Hook::kXdp, FW_LINK_IP)),
                         way_name);

TEST_P(CaptureTest, TheBytesAreThoseThatCame) {
    Listener whole = listen({.bytes = FW_MAX_CAPTURED});
    Listener cut = listen({.bytes = 64});
    Listener after = listen({.bytes = 64, .points = FW_AFTER});
    Listener without = listen({});
    const std::vector<Bytes> frames = run_random(1000);
    ASSERT_GT(frames.size(), 600U);
    const std::vector<Seen> all = seen(whole), first = seen(cut);
    ASSERT_EQ(all.size(), frames.size());
    ASSERT_EQ(first.size(), frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        EXPECT_EQ(all[i].bytes, frames[i]);
        EXPECT_EQ(all[i].about.length, frames[i].size());
        EXPECT_EQ(all[i].about.point, FW_BEFORE);
        EXPECT_EQ(all[i].about.link, GetParam().second);
        EXPECT_EQ(all[i].about.action, action_of(all[i].about.event.reason));
        EXPECT_EQ(first[i].bytes,
                  Bytes(frames[i].begin(),
                        frames[i].begin() + std::min<std::ptrdiff_t>(64, std::ssize(frames[i]))));
        EXPECT_EQ(first[i].about.length, frames[i].size());
    }
    EXPECT_TRUE(seen(after).empty()) << "nothing was changed";
    std::size_t events = 0;
    ASSERT_TRUE(without.read(0ms, [&](const fw_event&, const kernel::Frame& frame) {
        EXPECT_EQ(frame.about, nullptr);
        return ++events != 0;
    }));
    EXPECT_EQ(events, frames.size());
    for (Listener* one : {&whole, &cut, &after, &without}) EXPECT_EQ(one->lost().value(), 0U);
}

// TC's test run takes none that long.
struct LongCaptureTest : CaptureTest {};
INSTANTIATE_TEST_SUITE_P(Hooks, LongCaptureTest, ::testing::Values(Way(Hook::kXdp, FW_LINK_ETHERNET)),
                         way_name);

TEST_P(LongCaptureTest, TheFirstBytesAreThere) {
    Listener whole = listen({.bytes = FW_MAX_CAPTURED});
    for (const std::size_t size : {65'000UL, 65'535UL, 65'536UL, 70'000UL}) {
        Bytes frame = (ethernet() / arp() / padding(size)).bytes();
        for (std::size_t i = 60; i < frame.size(); ++i) frame[i] = static_cast<std::uint8_t>(i * 7 >> 3);
        frame.resize(size);
        ASSERT_TRUE(runner_->run(frame));
        const std::vector<Seen> all = seen(whole);
        ASSERT_EQ(all.size(), 1U);
        frame.resize(std::min<std::size_t>(size, FW_MAX_CAPTURED));
        EXPECT_EQ(all[0].bytes, frame);
        EXPECT_EQ(all[0].about.length, size);
    }
}

TEST_P(CaptureTest, WhatFindsNoRoomIsCounted) {
    constexpr int kPackets = 100'000;
    Listener slow = listen({.bytes = FW_MAX_CAPTURED});
    const Packet packet = ipv4() / udp() / payload(1000);
    const Bytes frame = GetParam().second == FW_LINK_IP ? packet.bytes() : (ethernet() / packet).bytes();
    ASSERT_TRUE(runner_->repeat(frame, kPackets));
    const std::size_t got = seen(slow).size();
    EXPECT_LT(got, std::size_t{kPackets});
    EXPECT_GT(got, std::size_t{10'000});
    EXPECT_EQ(got + slow.lost().value(), std::size_t{kPackets});
}

TEST_P(CaptureTest, WhoHasGoneIsForgottenWithItsRoom) {
    const engine::Store& store = runner_->store();
    const auto has_room = [&] {
        return store.capture_rooms().find<std::uint32_t>(std::uint32_t{0}).has_value();
    };
    {
        Listener one = listen({.bytes = 100});
        EXPECT_EQ(store.heard() & FW_HEARD_BYTES, FW_HEARD_BYTES);
        EXPECT_TRUE(has_room());
    }
    EXPECT_FALSE(has_room());
    ASSERT_FALSE(run_random(20).empty());
    EXPECT_EQ(store.heard(), 0U);
    // One that takes the place of a killed one, and wants no bytes, gets none.
    Listener killed = listen({.bytes = 100});
    store.listener(0).until = 1;
    Listener next = listen({});
    EXPECT_FALSE(has_room());
    EXPECT_FALSE(run_random(20).empty());
    EXPECT_TRUE(seen(next).empty());
}

}  // namespace
}  // namespace fwctl::testing
