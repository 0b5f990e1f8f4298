// Who sends most: compared with an exact count, within the bound of abi/talkers.h.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "engine/talkers.h"
#include "listening.h"
#include "packet_builder.h"
#include "policy/prefix.h"

namespace fwctl::testing {
namespace {

using engine::TalkerList;
using engine::Talkers;

struct Exact {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t dropped = 0;
};
using ExactCounts = std::map<policy::Prefix, Exact>;

std::string address_of(std::uint32_t number) {
    return fmt::format("{}.{}.{}.{}", 1 + number % 200, number >> 16 & 255, number >> 8 & 255, number & 255);
}

class TalkersTest : public ::testing::Test {
protected:
    void SetUp() override {
        runner_ = load_denying_udp(Hook::kXdp, FW_LINK_ETHERNET);
        ASSERT_NE(runner_, nullptr);
    }

    Talkers open() {
        auto talkers = Talkers::open(runner_->store());
        if (!talkers) ADD_FAILURE() << talkers.error().message;
        return std::move(*talkers);
    }

    void send(const std::string& source, bool dropped, ExactCounts& exact) {
        const bool is_ipv6 = source.find(':') != std::string::npos;
        const Bytes network = is_ipv6   ? dropped ? ethernet() / ipv6({.source = source}) / udp()
                                                  : ethernet() / ipv6({.source = source}) / tcp()
                                : dropped ? ethernet() / ipv4({.source = source}) / udp()
                                        : ethernet() / ipv4({.source = source}) / tcp();
        ASSERT_TRUE(runner_->run(network));
        Exact& count = exact[policy::parse_prefix(source).value()];
        ++count.packets;
        count.bytes += network.size();
        count.dropped += dropped ? 1 : 0;
    }

    std::unique_ptr<ProgramRunner> runner_;
};

void expect_within_bound(const TalkerList& list, const ExactCounts& exact) {
    std::uint64_t all = 0;
    for (const auto& [source, count] : exact) all += count.packets;
    EXPECT_EQ(list.packets, all);
    std::map<policy::Prefix, engine::Talker> listed;
    for (const engine::Talker& one : list.talkers) listed[one.source] = one;
    EXPECT_EQ(listed.size(), list.talkers.size()) << "each once";
    for (const auto& [source, talker] : listed) {
        ASSERT_TRUE(exact.contains(source)) << policy::format_prefix(source);
        const Exact& truth = exact.at(source);
        EXPECT_LE(talker.packets, truth.packets) << policy::format_prefix(source);
        EXPECT_GE(talker.packets + talker.more, truth.packets) << policy::format_prefix(source);
        EXPECT_LE(talker.bytes, truth.bytes);
        EXPECT_LE(talker.dropped, truth.dropped);
    }
    for (const auto& [source, truth] : exact) {
        if (listed.contains(source)) continue;
        EXPECT_LE(truth.packets, list.unlisted) << policy::format_prefix(source);
    }
    for (std::size_t i = 1; i < list.talkers.size(); ++i)
        EXPECT_GE(list.talkers[i - 1].packets, list.talkers[i].packets);
}

TEST_F(TalkersTest, FewSourcesAreCountedExactly) {
    Talkers talkers = open();
    ExactCounts exact;
    for (int i = 0; i < 7; ++i) send("192.0.2.1", true, exact);
    for (int i = 0; i < 5; ++i) send("2001:db8::7", false, exact);
    send("192.0.2.2", false, exact);
    send("192.0.2.2", true, exact);
    const auto list = talkers.look();
    ASSERT_TRUE(list) << list.error().message;
    ASSERT_EQ(list->talkers.size(), 3U);
    for (const engine::Talker& one : list->talkers) {
        const Exact& truth = exact.at(one.source);
        EXPECT_EQ(one.packets, truth.packets);
        EXPECT_EQ(one.more, 0U);
        EXPECT_EQ(one.bytes, truth.bytes);
        EXPECT_EQ(one.dropped, truth.dropped);
    }
    EXPECT_EQ(policy::format_prefix(list->talkers[0].source), "192.0.2.1");
    // Each look is about what came since the one before.
    EXPECT_TRUE(talkers.look()->talkers.empty());
    ExactCounts later;
    send("192.0.2.9", true, later);
    EXPECT_EQ(talkers.look()->talkers.size(), 1U);
    EXPECT_TRUE(talkers.look()->talkers.empty());
}

// Far more sources than there are ways, a few of which send most (after Zipf).
TEST_F(TalkersTest, SkewedTrafficIsWithinTheBound) {
    constexpr int kPackets = 60'000;
    Talkers talkers = open();
    std::mt19937_64 random(::testing::UnitTest::GetInstance()->random_seed());
    ExactCounts exact;
    std::uniform_real_distribution<double> uniform(0, 1);
    for (int i = 0; i < kPackets; ++i) {
        const auto rank = static_cast<std::uint32_t>(std::pow(50'000.0, uniform(random)));
        send(address_of(rank * 2654435761U), random() % 3 == 0, exact);
    }
    const auto list = talkers.look();
    ASSERT_TRUE(list) << list.error().message;
    expect_within_bound(*list, exact);
    EXPECT_LT(list->talkers.size(), exact.size()) << "the table was not full";
    EXPECT_GT(list->unlisted, 0U);
    // The one that has sent most by far is the first one.
    const auto most = std::max_element(exact.begin(), exact.end(), [](const auto& one, const auto& other) {
        return one.second.packets < other.second.packets;
    });
    EXPECT_EQ(policy::format_prefix(list->talkers.front().source), policy::format_prefix(most->first));
}

// No source comes twice but one.
TEST_F(TalkersTest, AFloodOfForgedSourcesHidesNobody) {
    Talkers talkers = open();
    ExactCounts exact;
    for (std::uint32_t i = 0; i < 30'000; ++i) {
        send(address_of(i * 2654435761U), true, exact);
        if (i % 50 == 0) send("203.0.113.77", false, exact);
    }
    const auto list = talkers.look();
    ASSERT_TRUE(list) << list.error().message;
    expect_within_bound(*list, exact);
    EXPECT_EQ(policy::format_prefix(list->talkers.front().source), "203.0.113.77");
}

TEST_F(TalkersTest, WhoIsGoneCostsNothing) {
    {
        Talkers talkers = open();
        EXPECT_NE(runner_->store().heard(), 0U);
    }
    ExactCounts exact;
    send("192.0.2.1", true, exact);
    EXPECT_EQ(runner_->store().heard(), 0U);
}

// What add_talkers() says of any tables that obey the rules of one, which stand in for processors.
TEST(TalkerSumTest, IsWithinTheBoundOverProcessors) {
    std::mt19937_64 random(5);
    for (int turn = 0; turn < 200; ++turn) {
        engine::TalkerBuckets processors(4);
        std::map<std::uint8_t, std::uint64_t> exact;
        std::uint64_t all = 0;
        for (int i = 0; i < 2000; ++i) {
            const auto source = static_cast<std::uint8_t>(std::pow(40.0, double(random() % 1000) / 1000));
            fw_talker_bucket& bucket = processors[random() % processors.size()];
            fw_talker* way = std::find_if(
                std::begin(bucket.ways), std::end(bucket.ways),
                [&](const fw_talker& one) { return one.packets != 0 && one.source.bytes[0] == source; });
            if (way == std::end(bucket.ways)) {
                way = std::min_element(
                    std::begin(bucket.ways), std::end(bucket.ways),
                    [](const auto& one, const auto& other) { return one.packets < other.packets; });
                way->error = way->packets;
                way->source.bytes[0] = source;
                way->family = FW_FAMILY_IPV4;
            }
            ++way->packets;
            ++exact[source];
            ++all;
        }
        TalkerList list;
        engine::add_talkers(processors, list);
        EXPECT_EQ(list.packets, all);
        EXPECT_LE(list.unlisted, all / FW_TALKER_WAYS);
        for (const engine::Talker& one : list.talkers) {
            const std::uint64_t truth = exact.at(one.source.address[0]);
            EXPECT_LE(one.packets, truth);
            EXPECT_GE(one.packets + one.more, truth);
            EXPECT_LE(one.more, all / FW_TALKER_WAYS);
            exact.erase(one.source.address[0]);
        }
        for (const auto& [source, truth] : exact) EXPECT_LE(truth, list.unlisted);
    }
}

}  // namespace
}  // namespace fwctl::testing
