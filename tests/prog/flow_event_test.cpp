// Who listens is told of each thing that happens to a flow, and of nothing else: held against the table and
// its counts.
//
// Other packets than the usual: --gtest_random_seed=N.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "engine/listener.h"
#include "flow_host.h"

namespace fwctl::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t bit(fw_happening happening) {
    return std::uint64_t{1} << happening;
}
constexpr std::uint64_t kFlows = bit(FW_HAPPENED_OPENED) | bit(FW_HAPPENED_CONFIRMED) |
                                 bit(FW_HAPPENED_CLOSED) | bit(FW_HAPPENED_PUSHED_OUT) |
                                 bit(FW_HAPPENED_PLACED);

using Address = std::array<std::uint8_t, 16>;
// Its ends in the order of the key.
using Ends = std::tuple<std::uint8_t, Address, Address, std::uint16_t, std::uint16_t>;

Ends ends_of(const fw_flow_key& key) {
    Address first{}, second{};
    std::memcpy(first.data(), key.ends[0], 16);
    std::memcpy(second.data(), key.ends[1], 16);
    return {static_cast<std::uint8_t>(key.rest >> 32), first, second, static_cast<std::uint16_t>(key.rest),
            static_cast<std::uint16_t>(key.rest >> 16)};
}

Ends ends_of(const fw_packet& packet) {
    Address from{}, to{};
    std::memcpy(from.data(), packet.source.bytes, 16);
    std::memcpy(to.data(), packet.destination.bytes, 16);
    std::uint16_t from_port = packet.source_port;
    std::uint16_t to_port = packet.selector;
    if (std::tie(to, to_port) < std::tie(from, from_port)) {
        std::swap(from, to);
        std::swap(from_port, to_port);
    }
    return {packet.protocol, from, to, from_port, to_port};
}

// What was told of a flow last.
struct Told {
    bool is_confirmed = false;
    bool is_closed = false;
    bool is_again = false;  // in the place of one that was closed
    fw_address opener{};
};

class Audience {
public:
    explicit Audience(const Host& host)
        : host_(host), listener_(engine::Listener::open(host.store(), {kFlows}).value()) {}

    // What is told next has to fit to what was told before: nothing ends by a time-out meanwhile.
    void hear() {
        ASSERT_TRUE(listener_.read(0ms, [&](const fw_event& event, const kernel::Frame&) {
            hear(event);
            return true;
        }));
    }

    // By the number of the event.
    std::map<unsigned, std::uint64_t> counts;
    std::map<Ends, Told> told;

private:
    void hear(const fw_event& event) {
        ++counts[event.reason];
        const Ends ends = ends_of(event.packet);
        EXPECT_EQ(event.rule, FW_NO_RULE);
        EXPECT_EQ(event.packet.length, 0U);
        if (event.reason == FW_HAPPENED_OPENED) {
            // A closed one may have made room without a word.
            EXPECT_TRUE(!told.contains(ends) || told[ends].is_closed);
            told[ends] = {.is_again = told.contains(ends), .opener = event.packet.source};
            return;
        }
        ASSERT_TRUE(told.contains(ends)) << unsigned{event.reason};
        Told& flow = told[ends];
        EXPECT_EQ(std::memcmp(&flow.opener, &event.packet.source, sizeof(fw_address)), 0);
        if (event.reason == FW_HAPPENED_PUSHED_OUT) {
            told.erase(ends);
        } else if (event.reason == FW_HAPPENED_CONFIRMED) {
            EXPECT_FALSE(flow.is_confirmed);
            flow.is_confirmed = true;
        } else {
            EXPECT_EQ(event.reason, FW_HAPPENED_CLOSED);
            EXPECT_FALSE(flow.is_closed);
            flow.is_closed = true;
        }
    }

    const Host& host_;
    engine::Listener listener_;
};

// Connections that begin, go on and end as such do, mostly, and datagrams.
class Traffic {
public:
    Traffic(Host& host, std::uint64_t seed) : host_(host), random_(seed) {}

    void step() {
        const auto number = static_cast<std::uint32_t>(below(kFlowsAtATime));
        Far far{.address = address_of(number), .port = static_cast<std::uint16_t>(below(2) == 0 ? 53 : 80)};
        if (far.port == 53) {
            if (below(2) == 0)
                host_.gets(to_host(far));
            else
                host_.sends(from_host(far));
            return;
        }
        Connection& connection = connections_[number];
        const unsigned kind = static_cast<unsigned>(below(12));
        if (kind == 0) connection = {};
        const bool ours = connection.step % 2 == 0;
        Tcp fields{.sequence = ours ? connection.our_next : connection.their_next,
                   .acknowledgement = ours ? connection.their_next : connection.our_next,
                   .flags = kAck};
        if (connection.step == 0) fields = {.sequence = connection.our_next, .flags = kSyn};
        if (connection.step == 1) fields.flags = kSyn | kAck;
        if (connection.step > 2 && kind == 1) fields.flags = kFin | kAck;
        if (kind == 2) fields.flags = connection.step == 1 ? kRst | kAck : kRst;
        (ours ? connection.our_next : connection.their_next) += (fields.flags & (kSyn | kFin)) != 0 ? 1 : 0;
        ++connection.step;
        if (ours)
            host_.sends(from_host(far, fields));
        else
            host_.gets(to_host(far, fields));
    }

private:
    static constexpr std::uint64_t kFlowsAtATime = 300;
    struct Connection {
        std::uint32_t our_next = 100;
        std::uint32_t their_next = 500;
        unsigned step = 0;
    };
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    Host& host_;
    std::mt19937_64 random_;
    std::map<std::uint32_t, Connection> connections_;
};

TEST(FlowEventTest, EachThingThatHappensIsToldOnce) {
    auto host = Host::make(16);  // too few ways for all of them
    ASSERT_TRUE(host) << host.error().message;
    ASSERT_TRUE(host->wait(24h));
    const fw_flow_counts before = host->counts();
    Audience audience(*host);
    Traffic traffic(*host, static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed)));
    constexpr int steps = 20'000;  // with fewer rounds, too: what is rare would not happen
    for (int i = 0; i < steps; ++i) {
        traffic.step();
        audience.hear();
        ASSERT_FALSE(HasFailure()) << "seed " << GTEST_FLAG_GET(random_seed) << ", step " << i;
    }
    const fw_flow_counts counts = host->counts();
    EXPECT_EQ(audience.counts[FW_HAPPENED_OPENED], counts.opened - before.opened);
    EXPECT_EQ(audience.counts[FW_HAPPENED_CONFIRMED], counts.confirmed - before.confirmed);
    EXPECT_EQ(audience.counts[FW_HAPPENED_PUSHED_OUT], counts.displaced - before.displaced);
    EXPECT_EQ(audience.counts[FW_HAPPENED_PLACED], 0U);
    for (const fw_happening one :
         {FW_HAPPENED_OPENED, FW_HAPPENED_CONFIRMED, FW_HAPPENED_PUSHED_OUT, FW_HAPPENED_CLOSED})
        EXPECT_GT(audience.counts[one], static_cast<std::uint64_t>(steps) / 1000) << one << " hardly happens";

    // What stands in the table is what was told to be there. The next connection of the same ends may have
    // the place of a confirmed one.
    std::map<Ends, bool> told;
    for (const auto& [ends, flow] : audience.told)
        if (!flow.is_closed) told[ends] = flow.is_confirmed;
    std::map<Ends, bool> open;
    for (const fw_flow_bucket& bucket : host->buckets())
        for (unsigned way = 0; way < FW_FLOW_WAYS; ++way) {
            const fw_flow& flow = bucket.flows[way];
            if (bucket.tags[way] == 0 || flow.state == FW_TCP_TIME_WAIT || flow.state == FW_TCP_CLOSED)
                continue;
            const Ends ends = ends_of(flow.key);
            open[ends] = audience.told[ends].is_again ? told[ends] : way < FW_FLOW_CONFIRMED;
        }
    EXPECT_EQ(told, open);
}

TEST(FlowEventTest, WhileNobodyListensNothingIsKeptForWhoComesNext) {
    auto host = Host::make(16);
    ASSERT_TRUE(host) << host.error().message;
    ASSERT_TRUE(host->sends(from_host({})));
    Audience audience(*host);
    ASSERT_TRUE(host->sends(from_host({})));
    audience.hear();
    EXPECT_TRUE(audience.counts.empty());
    ASSERT_TRUE(host->gets(to_host({})));
    ASSERT_TRUE(host->sends(from_host({.port = 54})));
    audience.hear();
    EXPECT_EQ(audience.counts, (std::map<unsigned, std::uint64_t>{{FW_HAPPENED_OPENED, 1}}));
}

}  // namespace
}  // namespace fwctl::testing
