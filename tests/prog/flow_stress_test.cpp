// Nothing in the flow table is lost, torn or doubled while packets meet in a few buckets on several
// processors.
//
// Other random packets than the usual: --gtest_random_seed=N.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include "flow_host.h"

namespace fwctl::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kBuckets = 3;
constexpr unsigned kThreads = 4;
constexpr int kPackets = 40'000;  // of each thread

constexpr unsigned kLasting = 12;  // that must stay, whatever happens: datagrams both ways
constexpr unsigned kDatagrams = 30;
constexpr unsigned kConnections = 30;

using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;
Key key_of(const fw_flow_key& key) {
    return {key.ends[0][0], key.ends[0][1], key.ends[1][0], key.ends[1][1], key.rest};
}

struct Flows {
    std::vector<Far> lasting;
    std::vector<Far> datagrams;
    std::vector<Far> connections;
    std::map<Key, std::uint32_t> numbers;  // of connections; UDP: 0
};

Flows make_flows(const fw_flow_table& table) {
    Flows flows;
    std::map<std::uint32_t, unsigned> in_bucket;
    for (std::uint32_t i = 0; flows.lasting.size() < kLasting; ++i) {
        const Far far{.address = address_of(i), .port = static_cast<std::uint16_t>(7000 + i)};
        const fw_flow_key key = testing::key_of(far);
        // Each bucket has room for its part, so that none may be refused.
        unsigned& count = in_bucket[fw_flow_bucket_number(fw_flow_hash(&key, table.keys), table.place)];
        if (count >= kLasting / kBuckets) continue;
        ++count;
        flows.lasting.push_back(far);
        flows.numbers[key_of(key)] = 0;
    }
    for (std::uint32_t i = 0; i < kDatagrams; ++i) {
        flows.datagrams.push_back({.address = address_of(1000 + i), .port = 9000, .host_port = 53});
        flows.numbers[key_of(testing::key_of(flows.datagrams.back()))] = 0;
    }
    for (std::uint32_t i = 1; i <= kConnections; ++i) {
        flows.connections.push_back({.address = address_of(2000 + i), .port = 9000, .host_port = 80});
        flows.numbers[key_of(testing::key_of(flows.connections.back(), kTcp))] = i;
    }
    return flows;
}

// Numbers say which connection they belong to: an entry that has those of another is torn.
constexpr std::uint32_t kNumberShift = 24;

Tcp random_segment(std::mt19937_64& random, std::uint32_t connection) {
    constexpr std::array<std::uint8_t, 8> kFlags = {kSyn, kSyn, kSyn | kAck, kAck,
                                                    kAck, kAck, kFin | kAck, kRst | kAck};
    const std::uint32_t base = connection << kNumberShift | 1U << 20;
    return {.sequence = base + static_cast<std::uint32_t>(random() % 1000),
            .acknowledgement = base + static_cast<std::uint32_t>(random() % 1000),
            .flags = kFlags[random() % kFlags.size()],
            .window = static_cast<std::uint16_t>(random() % 1000)};
}

void run_on(unsigned processor) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(processor % std::thread::hardware_concurrency(), &cpus);
    pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

// How many packets of flows that last were dropped.
std::uint64_t send_random(const Host& host, const Flows& flows, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uint64_t lost = 0;
    const auto any = [&](const std::vector<Far>& of) -> const Far& { return of[random() % of.size()]; };
    for (int i = 0; i < kPackets; ++i) {
        const bool out = random() % 2 == 0;
        switch (random() % 4) {
            case 0: {
                const Far& far = any(flows.lasting);
                if (!(out ? host.sends(from_host(far)) : host.gets(to_host(far)))) ++lost;
                break;
            }
            case 1: {
                const Far& far = any(flows.datagrams);
                out ? host.sends(from_host(far)) : host.gets(to_host(far));
                break;
            }
            default: {
                const std::size_t number = random() % flows.connections.size();
                const Tcp segment = random_segment(random, static_cast<std::uint32_t>(number + 1));
                const Far& far = flows.connections[number];
                out ? host.sends(from_host(far, segment)) : host.gets(to_host(far, segment));
                break;
            }
        }
    }
    return lost;
}

// All that an entry says of TCP is of its own connection, or not there.
void expect_whole(const fw_flow& flow, std::uint32_t number, std::uint32_t now) {
    SCOPED_TRACE(fmt::format("connection {}, state {}, flags {:x}", number, flow.state, flow.flags));
    EXPECT_LT(static_cast<std::int32_t>(flow.expires - now), 6 * 24 * 3600 * 8);
    EXPECT_EQ(flow.flags & ~(FW_FLOW_OPENED_BY_SECOND | FW_FLOW_ANSWERED | FW_FLOW_OPENED_BY_BOTH |
                             FW_FLOW_CHALLENGED | FW_FLOW_ASSURED),
              0);
    if (number == 0) {
        EXPECT_EQ(flow.state, FW_TCP_NONE);
    } else {
        EXPECT_GT(flow.state, FW_TCP_NONE);
        EXPECT_LT(flow.state, FW_TCP_STATES);
    }
    const auto is_own = [&](std::uint32_t value) {
        return value == 0 || (number != 0 && value >> kNumberShift == number);
    };
    for (const fw_tcp_end& end : flow.tcp) {
        EXPECT_TRUE(is_own(end.end)) << end.end;
        // The room that is offered to an end that was not seen yet.
        EXPECT_TRUE(is_own(end.limit) || (end.end == 0 && end.limit <= 1000)) << end.limit;
        EXPECT_TRUE(is_own(end.acknowledged)) << end.acknowledged;
        EXPECT_LE(end.window, number == 0 ? 0U : 3000U);
    }
    EXPECT_TRUE(is_own(flow.last_end)) << flow.last_end;
}

// Of each bucket; the keys that it has found.
std::set<Key> expect_in_order(const Host& host, const Flows& flows) {
    std::set<Key> found;
    const auto buckets = host.buckets();
    for (std::uint32_t place = 0; place < buckets.size(); ++place) {
        const fw_flow_bucket& bucket = buckets[place];
        EXPECT_EQ(bucket.lock % 2, 0U) << "nobody holds it any more";
        EXPECT_LT(bucket.next[FW_OUT], +FW_FLOW_OPENED_OUT);
        EXPECT_LT(bucket.next[FW_IN], +FW_FLOW_OPENED_IN);
        for (std::size_t way = 0; way < FW_FLOW_WAYS; ++way) {
            if (bucket.tags[way] == 0) continue;
            const fw_flow& flow = bucket.flows[way];
            const std::uint64_t hash = fw_flow_hash(&flow.key, host.table().keys);
            EXPECT_EQ(bucket.tags[way], fw_flow_tag(hash));
            EXPECT_EQ(place, fw_flow_bucket_number(hash, kBuckets));
            const auto known = flows.numbers.find(key_of(flow.key));
            if (known == flows.numbers.end()) {
                ADD_FAILURE() << "a key of nobody's";
                continue;
            }
            EXPECT_TRUE(found.insert(known->first).second) << "a flow is there twice";
            expect_whole(flow, known->second, host.ticks());
        }
    }
    return found;
}

TEST(FlowStressTest, NothingIsLostTornOrDoubled) {
    const auto seed = static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed));
    SCOPED_TRACE(fmt::format("seed {}", seed));
    auto made = Host::make(kBuckets);
    ASSERT_TRUE(made) << made.error().message;
    Host& host = *made;
    const Flows flows = make_flows(host.table());
    for (const Far& far : flows.lasting)
        ASSERT_TRUE(host.sends(from_host(far)) && host.gets(to_host(far)) && host.sends(from_host(far)));

    std::atomic<std::uint64_t> lost = 0;
    std::atomic<unsigned> done = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            run_on(i);
            lost += send_random(host, flows, seed * kThreads + i);
            ++done;
        });
    // Time goes on, so that connections that were reset make room; none that lasts is silent for so long.
    for (int second = 0; done < kThreads && second < 60; ++second) {
        EXPECT_TRUE(host.wait(1s));
        std::this_thread::sleep_for(20ms);
    }
    for (std::thread& thread : threads) thread.join();

    const fw_flow_counts counts = host.counts();
    RecordProperty("busy", std::to_string(counts.busy));
    EXPECT_LE(lost, counts.busy) << "packets of confirmed flows were dropped";
    const auto found = expect_in_order(host, flows);
    for (const Far& far : flows.lasting) {
        EXPECT_TRUE(found.count(key_of(testing::key_of(far)))) << far.address;
        EXPECT_TRUE(host.gets(to_host(far)));
    }
    EXPECT_GT(counts.opened, 10U * kConnections) << "hardly a flow was opened anew";
    EXPECT_GT(counts.displaced, 0U);
    EXPECT_GT(counts.confirmed, +kLasting);
}

}  // namespace
}  // namespace fwctl::testing
