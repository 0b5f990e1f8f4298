// The flow table, by a clock that the tests set: when flows end, and who may push out whom.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "flow_host.h"

namespace fwctl::testing {
namespace {

using namespace std::chrono_literals;

// The host asks, is answered, and asks again: nobody pushes it out any more.
void confirm(const Host& host, const Far& far) {
    ASSERT_TRUE(host.sends(from_host(far)));
    ASSERT_TRUE(host.gets(to_host(far)));
    ASSERT_TRUE(host.sends(from_host(far)));
}

// One host for all of them, as loading its programs takes long where a processor is emulated: of the tests
// before, all flows are over, and the counts are those since the test began.
class FlowTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        auto made = Host::make(1);
        ASSERT_TRUE(made) << made.error().message;
        shared_ = std::make_unique<Host>(std::move(*made));
    }
    static void TearDownTestSuite() { shared_.reset(); }

    void SetUp() override {
        ASSERT_TRUE(shared_);
        ASSERT_TRUE(host.wait(24h * 6));
        before_ = host.counts();
    }

    fw_flow_counts counts() const {
        const fw_flow_counts now = host.counts();
        return {now.opened - before_.opened, now.confirmed - before_.confirmed,
                now.displaced - before_.displaced, now.crowded - before_.crowded, now.busy - before_.busy};
    }

    Host& host = *shared_;

private:
    static inline std::unique_ptr<Host> shared_;
    fw_flow_counts before_{};
};

// --- time ----------------------------------------------------------------------------------------

TEST_F(FlowTest, AQuestionIsAnsweredInTime) {
    const Far far;
    EXPECT_FALSE(host.gets(to_host(far))) << "nobody has asked";
    ASSERT_TRUE(host.sends(from_host(far)));
    ASSERT_TRUE(host.wait(29s));
    EXPECT_TRUE(host.gets(to_host(far)));
    ASSERT_TRUE(host.wait(119s));
    EXPECT_TRUE(host.gets(to_host(far))) << "a flow that was answered stays longer";
    ASSERT_TRUE(host.wait(121s));
    EXPECT_FALSE(host.gets(to_host(far)));
    ASSERT_TRUE(host.sends(from_host(far)));
    ASSERT_TRUE(host.wait(31s));
    EXPECT_FALSE(host.gets(to_host(far)));
    EXPECT_EQ(counts().opened, 2U);
    EXPECT_EQ(counts().displaced, 0U);
}

TEST_F(FlowTest, AConnectionStaysForDaysOnceItIsEstablished) {
    const Far far{.port = 80};
    const auto answer = [&](std::uint32_t sequence, std::uint8_t flags) {
        return host.gets(to_host(far, {.sequence = sequence, .acknowledgement = 101, .flags = flags}));
    };
    const Bytes syn = from_host(far, {.sequence = 100, .flags = kSyn});
    ASSERT_TRUE(host.sends(syn));
    ASSERT_TRUE(host.wait(121s));
    EXPECT_FALSE(answer(500, kSyn | kAck)) << "too late";
    ASSERT_TRUE(host.sends(syn));
    ASSERT_TRUE(host.wait(119s));
    EXPECT_TRUE(answer(500, kSyn | kAck));
    ASSERT_TRUE(host.sends(from_host(far, {.sequence = 101, .acknowledgement = 501, .flags = kAck})));
    ASSERT_TRUE(host.wait(24h * 5 - 1min));
    EXPECT_TRUE(answer(501, kAck));
    EXPECT_TRUE(answer(501, kRst | kAck));
    ASSERT_TRUE(host.wait(9s));
    EXPECT_TRUE(answer(501, kRst | kAck)) << "what was reset stays for ten seconds";
    ASSERT_TRUE(host.wait(11s));
    EXPECT_FALSE(answer(501, kRst | kAck));
}

TEST_F(FlowTest, ThePlaceOfAFlowThatIsOverIsTakenAgain) {
    for (int round = 0; round < 3; ++round) {
        for (std::uint16_t port = 0; port < FW_FLOW_CONFIRMED; ++port)
            confirm(host, {.port = port, .host_port = static_cast<std::uint16_t>(50000 + round)});
        ASSERT_TRUE(host.wait(121s));
    }
    EXPECT_EQ(counts().crowded, 0U);
    EXPECT_EQ(counts().confirmed, 3U * FW_FLOW_CONFIRMED);
}

// --- who pushes out whom -------------------------------------------------------------------------

TEST_F(FlowTest, WhoComesFromOutsidePushesOutOthersFromOutsideAlone) {
    std::vector<Far> confirmed, asked;
    for (std::uint16_t i = 0; i < FW_FLOW_CONFIRMED; ++i)
        confirmed.push_back({.port = static_cast<std::uint16_t>(1000 + i)});
    for (std::uint16_t i = 0; i < FW_FLOW_OPENED_OUT; ++i)
        asked.push_back({.port = static_cast<std::uint16_t>(2000 + i)});
    for (const Far& far : confirmed) confirm(host, far);
    for (const Far& far : asked) ASSERT_TRUE(host.sends(from_host(far)));
    constexpr std::uint32_t kFlood = 5000;
    for (std::uint32_t i = 0; i < kFlood; ++i) {
        const Far far{
            .address = address_of(i), .port = 1234, .host_port = static_cast<std::uint16_t>(i % 2 ? 80 : 53)};
        ASSERT_TRUE(host.gets(i % 2 ? to_host(far, {}) : to_host(far)));
    }
    EXPECT_EQ(counts().displaced, kFlood - FW_FLOW_OPENED_IN);
    for (const Far& far : confirmed) EXPECT_TRUE(host.gets(to_host(far))) << far.port;
    for (const Far& far : asked) EXPECT_TRUE(host.gets(to_host(far))) << far.port;
    EXPECT_EQ(counts().crowded, 0U);
}

TEST_F(FlowTest, WhoFindsNoRoomAmongTheConfirmedGoesOnAsANewOne) {
    for (std::uint16_t i = 0; i < FW_FLOW_CONFIRMED; ++i)
        confirm(host, {.port = static_cast<std::uint16_t>(1000 + i)});
    const Far late{.port = 3000};
    confirm(host, late);
    EXPECT_EQ(counts().crowded, 1U);
    EXPECT_TRUE(host.gets(to_host(late)));
    for (std::uint16_t i = 0; i < FW_FLOW_OPENED_OUT; ++i)
        ASSERT_TRUE(host.sends(from_host({.port = static_cast<std::uint16_t>(4000 + i)})));
    EXPECT_FALSE(host.gets(to_host(late))) << "newer ones of the host's have taken its place";
    for (std::uint16_t i = 0; i < FW_FLOW_CONFIRMED; ++i)
        EXPECT_TRUE(host.gets(to_host({.port = static_cast<std::uint16_t>(1000 + i)}))) << i;
}

TEST_F(FlowTest, TheNewestIsNotTheOneThatMakesRoom) {
    for (const int times : {1, 2}) {  // wherever the turn is
        const auto far = [&](int port) { return Far{.port = static_cast<std::uint16_t>(10 * times + port)}; };
        confirm(host, far(1));  // which leaves its way among the new ones to others
        for (int i = 2; i <= 4; ++i) ASSERT_TRUE(host.sends(from_host(far(i))));
        EXPECT_FALSE(host.gets(to_host(far(2)))) << "the oldest";
        EXPECT_TRUE(host.gets(to_host(far(3))));
        EXPECT_TRUE(host.gets(to_host(far(4))));
        ASSERT_TRUE(host.wait(24h * 6));
        for (int i = 0; i < times; ++i) ASSERT_TRUE(host.sends(from_host(far(5 + i))));
        ASSERT_TRUE(host.wait(24h * 6));
    }
}

TEST_F(FlowTest, WhatIsOverMakesRoomBeforeWhatIsNot) {
    const Far slow{.port = 80}, quick{.port = 2}, late{.port = 3};
    ASSERT_TRUE(host.sends(from_host(slow, {.sequence = 100, .flags = kSyn})));
    ASSERT_TRUE(host.sends(from_host(quick)));
    ASSERT_TRUE(host.wait(31s));
    ASSERT_TRUE(host.sends(from_host(late)));
    EXPECT_TRUE(host.gets(to_host(slow, {.sequence = 1, .acknowledgement = 101, .flags = kSyn | kAck})));
    EXPECT_TRUE(host.gets(to_host(late)));
    EXPECT_EQ(counts().displaced, 0U);
}

// One after another, as a busy server has them.
TEST_F(FlowTest, AConnectionThatHasEndedMakesRoomForANewOne) {
    const auto connect = [this](const Far& far) {
        const auto says = [&](std::uint32_t sequence, std::uint32_t ack, std::uint8_t flags) {
            ASSERT_TRUE(
                host.gets(to_host(far, {.sequence = sequence, .acknowledgement = ack, .flags = flags})));
        };
        says(100, 0, kSyn);
        ASSERT_TRUE(
            host.sends(from_host(far, {.sequence = 500, .acknowledgement = 101, .flags = kSyn | kAck})));
        says(101, 501, kAck);
    };
    const auto close = [this](const Far& far) {
        ASSERT_TRUE(host.gets(to_host(far, {.sequence = 101, .acknowledgement = 501, .flags = kFin | kAck})));
        ASSERT_TRUE(
            host.sends(from_host(far, {.sequence = 501, .acknowledgement = 102, .flags = kFin | kAck})));
        ASSERT_TRUE(host.gets(to_host(far, {.sequence = 102, .acknowledgement = 502, .flags = kAck})));
    };
    const auto number = [](int i) {
        return Far{.port = static_cast<std::uint16_t>(1000 + i), .host_port = 80};
    };
    for (int i = 0; i < FW_FLOW_CONFIRMED; ++i) {
        connect(number(i));
        if (i > 0) close(number(i));
    }
    for (int i = FW_FLOW_CONFIRMED; i < 5 * FW_FLOW_CONFIRMED; ++i) {
        connect(number(i));
        close(number(i));
    }
    EXPECT_EQ(counts().crowded, 0U);
    EXPECT_EQ(counts().confirmed, 5U * FW_FLOW_CONFIRMED);
    EXPECT_TRUE(host.sends(from_host(number(0), {.sequence = 501, .acknowledgement = 101, .flags = kAck})));
    EXPECT_TRUE(host.gets(to_host(number(0), {.sequence = 101, .acknowledgement = 501, .flags = kAck})))
        << "it goes on";
}

// --- forged and repeated segments ------------------------------------------------------------------

// Of a connection to the host's port 80, where the far end has sent 100 and the host 500 for their SYNs.
class ConnectionTest : public FlowTest {
protected:
    void SetUp() override {
        FlowTest::SetUp();
        ASSERT_TRUE(gets(100, 0, kSyn));
        ASSERT_TRUE(sends(500, 101, kSyn | kAck));
        ASSERT_TRUE(gets(101, 501, kAck));
    }

    bool gets(std::uint32_t sequence, std::uint32_t ack, std::uint8_t flags) const {
        return host.gets(to_host(far_, {.sequence = sequence, .acknowledgement = ack, .flags = flags}));
    }
    bool sends(std::uint32_t sequence, std::uint32_t ack, std::uint8_t flags) const {
        return host.sends(from_host(far_, {.sequence = sequence, .acknowledgement = ack, .flags = flags}));
    }
    // What the table has of it; there is nothing else.
    fw_flow flow() const {
        const fw_flow_bucket bucket = host.buckets()[0];
        for (std::size_t way = 0; way < FW_FLOW_WAYS; ++way)
            if (bucket.tags[way] != 0 && bucket.flows[way].expires > host.ticks()) return bucket.flows[way];
        ADD_FAILURE() << "there is no flow";
        return {};
    }

    const Far far_{.port = 3000, .host_port = 80};
};

TEST_F(ConnectionTest, IsNotEndedByWhoKnowsItsPortsAlone) {
    for (const std::uint32_t guess : {7'777U, 50U, 4'000'000'000U}) {
        gets(9000, 0, kSyn);
        gets(guess, 9001, kRst | kAck);
        gets(guess, 0, kRst);
        gets(9500, 0, kSyn);
        EXPECT_EQ(flow().state, FW_TCP_ESTABLISHED);
        EXPECT_TRUE(gets(101, 501, kAck));
        EXPECT_TRUE(sends(501, 101, kAck));
    }
    EXPECT_TRUE(gets(101, 501, kRst | kAck)) << "the end itself may";
    EXPECT_EQ(flow().state, FW_TCP_CLOSED);
}

// As a router sees it: coming in and going out.
TEST_F(ConnectionTest, IsClosedByOneEndWhenItsFinIsSeenTwice) {
    const Bytes fin = to_host(far_, {.sequence = 101, .acknowledgement = 501, .flags = kFin | kAck});
    ASSERT_TRUE(host.gets(fin));
    ASSERT_TRUE(host.sends(fin));
    EXPECT_EQ(flow().state, FW_TCP_FIN_WAIT);
    ASSERT_TRUE(sends(501, 102, kAck));
    ASSERT_TRUE(host.sends(fin));
    EXPECT_EQ(flow().state, FW_TCP_CLOSE_WAIT);
    ASSERT_TRUE(sends(501, 102, kFin | kAck));
    ASSERT_TRUE(sends(501, 102, kFin | kAck));
    EXPECT_EQ(flow().state, FW_TCP_LAST_ACK);
    ASSERT_TRUE(gets(102, 502, kAck));
    EXPECT_EQ(flow().state, FW_TCP_TIME_WAIT);
}

TEST_F(FlowTest, AResetConfirmsNothing) {
    for (std::uint16_t port = 1; port < 40; ++port) {
        const Far far{.port = port, .host_port = 80};
        ASSERT_TRUE(host.gets(to_host(far, {.sequence = 100, .flags = kSyn})));
        ASSERT_TRUE(
            host.sends(from_host(far, {.sequence = 500, .acknowledgement = 101, .flags = kSyn | kAck})));
        host.gets(to_host(far, {.sequence = 101, .flags = kRst}));
    }
    EXPECT_EQ(counts().confirmed, 0U);
}

// --- fragments -------------------------------------------------------------------------------------

Bytes fragment_to_host(const Far& far, const Tcp& fields, bool is_first, std::uint16_t id = 1) {
    Tcp all = fields;
    all.source = far.port;
    all.destination = far.host_port;
    const Ipv4 ip{.source = far.address,
                  .destination = "10.0.0.1",
                  .protocol = std::uint8_t{6},
                  .id = id,
                  .more_fragments = is_first,
                  .fragment_offset = static_cast<std::uint16_t>(is_first ? 0 : 4)};
    return is_first ? ethernet() / ipv4(ip) / tcp(all) / payload(8) : ethernet() / ipv4(ip) / payload(24);
}

TEST_F(FlowTest, ASegmentInFragmentsIsFollowedAsAWhole) {
    const Far far{.port = 3000, .host_port = 80};
    for (const std::uint8_t flags : {0, int{kFin}, kFin | kSyn, kSyn | kAck, kFin | kPsh | 0x20})
        EXPECT_FALSE(host.gets(fragment_to_host(far, {.flags = flags}, true))) << int{flags};
    EXPECT_FALSE(host.gets(fragment_to_host(far, {}, false)));
    ASSERT_TRUE(host.gets(fragment_to_host(far, {.sequence = 100, .flags = kSyn}, true)));
    EXPECT_TRUE(host.gets(fragment_to_host(far, {}, false)));
    EXPECT_TRUE(host.sends(from_host(far, {.sequence = 500, .acknowledgement = 109, .flags = kSyn | kAck})));
    EXPECT_TRUE(host.gets(to_host(far, {.sequence = 109, .acknowledgement = 501, .flags = kAck})));
}

// The numbers of datagrams come again.
TEST_F(FlowTest, AFragmentIsTakenForWhatTheLastDatagramOfItsNumberWas) {
    const Far open{.port = 3000, .host_port = 80}, asked{.port = 4000, .host_port = 5000};
    ASSERT_TRUE(host.sends(from_host(asked, {.sequence = 100, .flags = kSyn})));
    ASSERT_TRUE(host.gets(to_host(asked, {.sequence = 1, .acknowledgement = 101, .flags = kSyn | kAck})));
    ASSERT_TRUE(host.gets(fragment_to_host(open, {.sequence = 100, .flags = kSyn}, true, 7)));
    ASSERT_TRUE(
        host.gets(fragment_to_host(asked, {.sequence = 2, .acknowledgement = 101, .flags = kAck}, true, 7)));
    std::size_t notes = 0;
    const fw_flow_bucket bucket = host.buckets()[0];
    for (std::size_t way = 0; way < FW_FLOW_WAYS; ++way)
        if (bucket.tags[way] != 0 && (bucket.flows[way].key.rest >> 40 & 0x80) != 0 &&
            bucket.flows[way].expires > host.ticks()) {
            ++notes;
            EXPECT_EQ(bucket.flows[way].tcp[0].end, 4000U);
        }
    EXPECT_EQ(notes, 1U);
}

// --- tags ----------------------------------------------------------------------------------------

// Two flows of one tag: of some hundred thousand there are some.
std::pair<Far, Far> find_pair(const fw_flow_table& table) {
    std::mt19937_64 random(1);
    std::unordered_map<std::uint32_t, Far> seen;
    while (true) {
        const Far far{.address = address_of(static_cast<std::uint32_t>(random())),
                      .port = static_cast<std::uint16_t>(random())};
        const fw_flow_key key = key_of(far);
        const auto [other, is_new] = seen.emplace(fw_flow_tag(fw_flow_hash(&key, table.keys)), far);
        if (!is_new) return {other->second, far};
    }
}

TEST_F(FlowTest, ATagAloneAdmitsNobody) {
    const auto [one, other] = find_pair(host.table());
    ASSERT_TRUE(host.sends(from_host(one)));
    EXPECT_FALSE(host.gets(to_host(other)));
    EXPECT_TRUE(host.gets(to_host(one)));
    ASSERT_TRUE(host.sends(from_host(other)));
    EXPECT_TRUE(host.gets(to_host(other))) << "both have a place";
    EXPECT_TRUE(host.gets(to_host(one)));
    std::size_t same = 0;
    const fw_flow_key key = key_of(one);
    const fw_flow_bucket bucket = host.buckets()[0];
    for (const std::uint32_t tag : bucket.tags)
        same += tag == fw_flow_tag(fw_flow_hash(&key, host.table().keys)) ? 1 : 0;
    EXPECT_EQ(same, 2U);
}

}  // namespace
}  // namespace fwctl::testing
