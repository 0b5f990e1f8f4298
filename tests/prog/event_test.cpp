// Packets tell those who listen, and wait for nobody.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "listening.h"
#include "packet_builder.h"
#include "packet_generator.h"

namespace fwctl::testing {
namespace {

using engine::Listener;
using engine::Wanted;
using std::chrono_literals::operator""ms;

constexpr std::uint64_t kDropped = std::uint64_t{1} << FW_REASON_RULE_DENY;
constexpr std::uint64_t kPassed = std::uint64_t{1} << FW_REASON_DEFAULT_ALLOW;

class EventTest : public ::testing::TestWithParam<Hook> {
protected:
    void SetUp() override {
        runner_ = load_denying_udp(GetParam(), FW_LINK_ETHERNET);
        ASSERT_NE(runner_, nullptr);
    }

    Listener listen(const Wanted& wanted = {}) const { return listen_to(store(), wanted); }

    static std::vector<fw_event> heard(Listener& listener) {
        std::vector<fw_event> events;
        std::size_t before = 0;
        do {
            before = events.size();
            const auto read = listener.read(0ms, [&](const fw_event& event, const kernel::Frame&) {
                events.push_back(event);
                return true;
            });
            EXPECT_TRUE(read) << read.error().message;
        } while (events.size() != before);
        return events;
    }

    void run(const Bytes& frame, int times) const { ASSERT_TRUE(runner_->repeat(frame, times)); }

    const engine::Store& store() const { return runner_->store(); }
    fw_listener& slot(std::uint32_t number) const { return store().listener(number); }
    std::uint64_t heard_of() const { return store().heard(); }

    const Bytes denied_ = ethernet() / ipv4() / udp();
    const Bytes passed_ = ethernet() / ipv4() / tcp();
    std::unique_ptr<ProgramRunner> runner_;
};

INSTANTIATE_TEST_SUITE_P(Hooks, EventTest, ::testing::Values(Hook::kXdp, Hook::kTcIn, Hook::kTcOut),
                         [](const auto& hook) { return name_of(hook.param); });

TEST_P(EventTest, SaysWhatWasDecidedOfEachPacket) {
    Listener listener = listen();
    std::mt19937_64 random(7);
    std::deque<fw_trace> traces;
    for (int i = 0; i < 2000; ++i) {
        const Bytes frame = random_packet(random, FW_LINK_ETHERNET);
        const auto result = runner_->run(frame);
        if (result) traces.push_back(result->trace);  // the test run takes not every frame
    }
    ASSERT_GT(traces.size(), 1500U);
    std::uint64_t time = 0;
    for (const fw_event& event : heard(listener)) {
        ASSERT_FALSE(traces.empty());
        const fw_trace& trace = traces.front();
        EXPECT_EQ(std::memcmp(&event.packet, &trace.packet, sizeof(fw_packet)), 0);
        EXPECT_EQ(event.reason, trace.reason);
        EXPECT_EQ(event.rule, trace.rule);
        EXPECT_EQ(event.slot, runner_->state().attachments.front().slot);
        EXPECT_EQ(event.direction, GetParam() == Hook::kTcOut ? FW_OUT : FW_IN);
        EXPECT_EQ(event.backend, 0U);
        EXPECT_GT(event.time, time);
        time = event.time;
        traces.pop_front();
    }
    EXPECT_TRUE(traces.empty());
    EXPECT_EQ(listener.lost().value(), 0U);
}

TEST_P(EventTest, EachListenerHearsOfWhatItWants) {
    Listener all = listen();
    Listener drops = listen({.reasons = kDropped});
    Listener some = listen({.reasons = kDropped, .one_of = 10});
    run(denied_, 20000);
    run(passed_, 3000);
    EXPECT_EQ(heard(all).size(), 23000U);
    EXPECT_EQ(heard(drops).size(), 20000U);
    // One in ten of 20,000 by chance: six deviations of 42 from 2,000.
    EXPECT_NEAR(static_cast<double>(heard(some).size()), 2000, 255);
}

TEST_P(EventTest, WhatFindsNoRoomIsCounted) {
    constexpr int kPackets = 200'000;
    Listener slow = listen();
    run(denied_, kPackets);
    const std::size_t got = heard(slow).size();
    EXPECT_LT(got, std::size_t{kPackets});
    EXPECT_EQ(got + slow.lost().value(), std::size_t{kPackets});
    run(denied_, 10);
    EXPECT_EQ(heard(slow).size(), 10U) << "there is room again";
}

TEST_P(EventTest, WhoHasGoneIsForgottenByTheNextPacket) {
    {
        Listener one = listen({.reasons = kDropped});
        Listener other = listen({.reasons = kDropped | kPassed});
        EXPECT_EQ(heard_of(), kDropped | kPassed);
    }
    EXPECT_EQ(slot(0).until, 0U);
    run(denied_, 1);
    EXPECT_EQ(heard_of(), 0U);
    Listener next = listen();
    EXPECT_TRUE(heard(next).empty()) << "what came before it was there";
}

TEST_P(EventTest, WhoWasKilledIsForgottenByTheNextPacket) {
    Listener dead = listen({.reasons = kDropped | kPassed});
    Listener alive = listen({.reasons = kDropped});
    slot(0).until = 1;
    run(denied_, 5);
    EXPECT_EQ(heard_of(), kDropped);
    EXPECT_EQ(heard(alive).size(), 5U);
    Listener next = listen({.reasons = kPassed});
    EXPECT_EQ(slot(0).reasons, kPassed) << "its slot is free";
    EXPECT_EQ(heard_of(), kDropped | kPassed);
}

TEST_P(EventTest, TheRingOfTheDeadIsFreedByTheNextCommand) {
    Listener dead = listen();
    Listener alive = listen();
    const auto has_ring = [&](std::uint32_t slot) {
        return store().event_rings().find<std::uint32_t>(slot).has_value();
    };
    slot(0).until = 1;
    EXPECT_TRUE(has_ring(0));
    engine::forget_dead_listeners(store());
    EXPECT_FALSE(has_ring(0));
    EXPECT_EQ(slot(0).until, 0U);
    EXPECT_TRUE(has_ring(1));
    run(denied_, 5);
    EXPECT_EQ(heard(alive).size(), 5U);
}

TEST_P(EventTest, WhoStoodStillComesBackAndSaysSo) {
    Listener stood = listen();
    slot(0).until = 1;
    Listener next = listen();  // has its slot now
    run(denied_, 5);
    EXPECT_TRUE(heard(stood).empty());
    EXPECT_TRUE(stood.stood_still());
    run(denied_, 3);
    EXPECT_EQ(heard(stood).size(), 3U) << "in another slot";
    EXPECT_FALSE(stood.stood_still());
    EXPECT_EQ(heard(next).size(), 8U);
}

TEST_P(EventTest, ThereIsRoomForSomeAndTheNextIsToldSo) {
    std::deque<Listener> all;
    for (int i = 0; i < FW_MAX_LISTENERS; ++i) all.push_back(listen());
    const auto refused = Listener::open(store(), {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit, Exit::kConflict);
    run(denied_, 100);
    for (Listener& listener : all) EXPECT_EQ(heard(listener).size(), 100U);
    all.pop_front();
    EXPECT_TRUE(Listener::open(store(), {}));
}

}  // namespace
}  // namespace fwctl::testing
