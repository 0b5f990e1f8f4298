// Dynamic sets, by the programs alone: the command's program puts hosts in and takes them out, programs of
// interfaces look them up and ban, on several processors at once.
//
// Other random ones than the usual: --gtest_random_seed=N.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <string_view>
#include <thread>
#include <tuple>

#include "engine/clock.h"
#include "engine/set_members.h"
#include "engine/set_tables.h"
#include "kernel/set_program.h"
#include "kernel/shared_maps.h"
#include "policy/prefix.h"

namespace fwctl::testing {
namespace {

using engine::buckets_for;
using engine::EditCounts;
using engine::members_until;
using engine::SetMembers;
using engine::SetTables;
using policy::Prefix;

constexpr std::uint32_t kSet = 3;

// Sets of their own, without programs on interfaces.
struct World {
    kernel::SharedMaps maps;
    SetTables tables;

    static World make() {
        World world;
        world.maps = kernel::SharedMaps::make().value();
        world.tables = SetTables::of(std::move(world.maps.sets), std::move(world.maps.set_pages)).value();
        return world;
    }

    SetMembers members(std::uint64_t size) const { return {tables, maps.members, kSet, size}; }
    std::uint64_t hosts() const { return std::atomic_ref(tables.set(kSet).tables[table()].hosts).load(); }
    std::uint32_t table() const { return static_cast<std::uint32_t>(tables.state(kSet) & FW_SET_TABLE); }
};

// The same program once more, with requests of its own.
class Worker {
public:
    explicit Worker(const World& world)
        : program_(kernel::SetProgram::load(world.tables.sets_map(), world.tables.pages_map()).value()),
          table_(world.table()) {}

    std::uint64_t now = 1'000'000;
    std::uint64_t limit = ~std::uint64_t{0};

    fw_set_request ask(fw_set_command command, std::uint64_t high, std::uint64_t low, std::uint8_t family,
                       std::uint64_t end = 0) {
        fw_set_request& request = program_.requests()[0];
        do {
            request = {};
            request.address[0] = high;
            request.address[1] = low;
            request.family = family;
            request.end = end;
            (void)run(command, 0, 1);
        } while (request.result == FW_SET_BUSY);
        return request;
    }
    fw_set_job run(fw_set_command command, std::uint32_t first, std::uint32_t count) {
        fw_set_job job{};
        job.command = command;
        job.set = kSet;
        job.table = table_;
        job.first = first;
        job.count = count;
        job.now = now;
        job.limit = limit;
        return program_.run(job).value();
    }
    std::vector<fw_set_request> list(std::uint32_t buckets) {
        std::vector<fw_set_request> all;
        constexpr std::uint32_t kAtATime = +FW_MAX_SET_REQUESTS / +FW_BUCKET_HOSTS;
        for (std::uint32_t first = 0; first < buckets; first += kAtATime) {
            const auto job = run(FW_SET_LIST, first, std::min(kAtATime, buckets - first));
            for (std::uint32_t i = 0; i < job.filled; ++i) all.push_back(program_.requests()[i]);
        }
        return all;
    }

private:
    kernel::SetProgram program_;
    std::uint32_t table_;
};

using Key = std::tuple<std::uint8_t, std::uint64_t, std::uint64_t>;
using Model = std::map<Key, std::uint64_t>;  // when each ends

Model as_model(const std::vector<fw_set_request>& listed) {
    Model model;
    for (const fw_set_request& one : listed) {
        const bool is_new = model.emplace(Key{one.family, one.address[0], one.address[1]}, one.end).second;
        EXPECT_TRUE(is_new) << "a host stands in the table twice";
    }
    return model;
}

// Every bucket says how many hosts passed it: counted anew from where the hosts stand.
void expect_passed_is_right(const World& world, Worker& worker, std::uint32_t buckets) {
    const fw_host_table& table = world.tables.table(kSet);
    worker.now = FW_HOST_FOR_EVER - 1;
    worker.run(FW_SET_SWEEP, 0, buckets);
    worker.run(FW_SET_EMPTY, 0, buckets);
    EXPECT_EQ(world.hosts(), 0U);
    const std::uint32_t zero = 0;
    for (std::uint32_t page = 0; page * FW_PAGE_BUCKETS < buckets; ++page) {
        const std::uint32_t id = world.tables.page_id(table.first_page + page);
        const Fd inner(bpf_map_get_fd_by_id(id));
        auto copy = std::make_unique<fw_host_page>();
        ASSERT_EQ(bpf_map_lookup_elem(inner.get(), &zero, copy.get()), 0);
        for (const fw_host_bucket& bucket : copy->buckets) {
            EXPECT_EQ(bucket.passed, 0U);
            EXPECT_EQ(bucket.lock & 1, 0U);
            for (const std::uint64_t what : bucket.what) EXPECT_EQ(what, std::uint64_t{FW_HOST_FREE});
        }
    }
}

void random_edits(Worker& worker, std::mt19937_64& random, Model& model, std::uint64_t tag, int steps,
                  std::uint64_t hosts, bool time_passes) {
    for (int step = 0; step < steps; ++step) {
        const std::uint64_t number = random() % hosts;
        const std::uint8_t family = number % 3 == 0 ? 6 : 4;
        const std::uint64_t low = family == 6 ? number : 0;
        const Key key{family, tag | number, low};
        const auto known = model.find(key);
        const bool is_there = known != model.end() && known->second > worker.now;
        switch (random() % 8) {
            case 0:
            case 1:
            case 2: {
                const std::uint64_t end =
                    random() % 10 == 0 ? FW_HOST_FOR_EVER : worker.now + 1 + random() % 50;
                const auto done = worker.ask(FW_SET_ADD, tag | number, low, family, end);
                const auto wanted = !is_there              ? FW_SET_DONE
                                    : known->second >= end ? FW_SET_UNCHANGED
                                                           : FW_SET_PROLONGED;
                ASSERT_EQ(+done.result, +wanted) << "step " << step;
                if (wanted != FW_SET_UNCHANGED) model[key] = end;
                break;
            }
            case 3: {
                const auto done = worker.ask(FW_SET_DELETE, tag | number, low, family);
                ASSERT_EQ(+done.result, is_there ? +FW_SET_DONE : +FW_SET_UNCHANGED) << "step " << step;
                model.erase(key);
                break;
            }
            case 4:
                if (time_passes) worker.now += random() % 3;
                break;
            default: {
                const auto found = worker.ask(FW_SET_FIND, tag | number, low, family);
                ASSERT_EQ(found.end, is_there ? known->second : 0) << "step " << step;
                break;
            }
        }
    }
}

Model alive(const Model& model, std::uint64_t now) {
    Model left;
    for (const auto& [key, end] : model)
        if (end > now) left.emplace(key, end);
    return left;
}

TEST(SetTest, IsWhatAModelSays) {
    const auto seed = static_cast<unsigned>(GTEST_FLAG_GET(random_seed));
    for (const std::uint64_t size : {20, 100, 1000}) {
        World world = World::make();
        ASSERT_TRUE(world.tables.ensure(kSet, size));
        Worker worker(world);
        worker.limit = size;
        std::mt19937_64 random(seed + size);
        Model model;
        random_edits(worker, random, model, 0, 20'000, size, true);
        EXPECT_EQ(as_model(worker.list(buckets_for(size))), alive(model, worker.now)) << "seed " << seed;
        EXPECT_LE(world.hosts(), size);
        expect_passed_is_right(world, worker, buckets_for(size));
    }
}

// Each thread has hosts of its own and a model of them, all share the buckets. Others only look.
TEST(SetTest, HoldsWhatSeveralProcessorsPutIn) {
    const auto seed = static_cast<unsigned>(GTEST_FLAG_GET(random_seed));
    constexpr std::uint64_t kHosts = 700;
    constexpr unsigned kWriters = 3;
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, kHosts * kWriters));
    std::vector<Worker> workers;
    for (unsigned i = 0; i < kWriters + 1; ++i) workers.emplace_back(world);
    std::vector<Model> models(kWriters);
    // Ways of hosts whose time is over, for all of them to take.
    workers[0].now -= 100;
    for (std::uint64_t i = 0; i < kHosts; ++i)
        ASSERT_EQ(
            +workers[0].ask(FW_SET_ADD, std::uint64_t{0xeeee} << 32 | i, 0, 4, workers[0].now + 1).result,
            +FW_SET_DONE);
    workers[0].now += 100;
    const std::uint64_t constant = std::uint64_t{0xffff} << 32;
    for (std::uint64_t i = 0; i < 50; ++i)
        ASSERT_EQ(+workers[0].ask(FW_SET_ADD, constant | i, 0, 4, FW_HOST_FOR_EVER).result, +FW_SET_DONE);

    std::atomic<bool> done = false;
    const auto on_cpu = [](unsigned number) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(number % std::thread::hardware_concurrency(), &cpus);
        pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kWriters; ++i)
        threads.emplace_back([&, i] {
            on_cpu(i);
            std::mt19937_64 random(seed * 10 + i);
            random_edits(workers[i], random, models[i], std::uint64_t{i + 1} << 32, 15'000, kHosts, false);
        });
    std::thread reader([&] {
        on_cpu(kWriters);
        Worker& worker = workers[kWriters];
        std::mt19937_64 random(seed);
        while (!done) {
            const std::uint64_t i = random() % 50;
            EXPECT_EQ(worker.ask(FW_SET_FIND, constant | i, 0, 4).end, FW_HOST_FOR_EVER) << "a host was lost";
            EXPECT_EQ(worker.ask(FW_SET_FIND, std::uint64_t{0xaaaa} << 32 | i, 0, 4).end, 0U);
        }
    });
    for (std::thread& thread : threads) thread.join();
    done = true;
    reader.join();

    Model all;
    for (const Model& model : models) all.merge(alive(model, workers[0].now));
    for (std::uint64_t i = 0; i < 50; ++i) all.emplace(Key{4, constant | i, 0}, FW_HOST_FOR_EVER);
    EXPECT_EQ(as_model(workers[kWriters].list(buckets_for(kHosts * kWriters))), all) << "seed " << seed;
    expect_passed_is_right(world, workers[0], buckets_for(kHosts * kWriters));
}

TEST(SetTest, TheSameHostFromEverywhereStandsOnce) {
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, 100));
    std::vector<Worker> workers;
    for (int i = 0; i < 4; ++i) workers.emplace_back(world);
    for (std::uint64_t round = 0; round < 300; ++round) {
        std::vector<std::thread> threads;
        std::atomic<int> put = 0;
        for (Worker& worker : workers)
            threads.emplace_back([&worker, &put, round] {
                put += worker.ask(FW_SET_ADD, round, 7, 6, 2'000'000).result == FW_SET_DONE ? 1 : 0;
            });
        for (std::thread& thread : threads) thread.join();
        ASSERT_EQ(put, 1);
        ASSERT_EQ(as_model(workers[0].list(buckets_for(100))).size(), 1U);
        ASSERT_EQ(+workers[0].ask(FW_SET_DELETE, round, 7, 6).result, +FW_SET_DONE);
    }
    EXPECT_EQ(world.hosts(), 0U);
}

TEST(SetTest, TheSizeHoldsWhoeverPutsIn) {
    constexpr std::uint64_t kSize = 200;
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, kSize));
    std::vector<Worker> workers;
    for (int i = 0; i < 4; ++i) workers.emplace_back(world);
    std::atomic<int> refused = 0;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < workers.size(); ++i)
        threads.emplace_back([&, i] {
            workers[i].limit = kSize;
            for (std::uint64_t host = 0; host < 100; ++host)
                refused += workers[i].ask(FW_SET_ADD, i << 32 | host, 0, 4, FW_HOST_FOR_EVER).result ==
                                   FW_SET_REFUSED
                               ? 1
                               : 0;
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(world.hosts(), kSize);
    EXPECT_EQ(as_model(workers[0].list(buckets_for(kSize))).size(), kSize);
    EXPECT_EQ(refused, 200);
}

TEST(SetTest, AFullSetGivesWayToWhatEndsLater) {
    constexpr std::uint64_t kSize = 100;
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, kSize));
    Worker worker(world);
    worker.limit = kSize;
    for (std::uint64_t i = 0; i < kSize; ++i)
        ASSERT_EQ(+worker.ask(FW_SET_ADD, i, 0, 4, worker.now + 100 + i).result, +FW_SET_DONE);
    // One that ends before all others finds no room, one that ends after them takes the place of one.
    EXPECT_EQ(+worker.ask(FW_SET_ADD, 1'000, 0, 4, worker.now + 50).result, +FW_SET_REFUSED);
    EXPECT_EQ(+worker.ask(FW_SET_ADD, 1'001, 0, 4, worker.now + 500).result, +FW_SET_REPLACED);
    EXPECT_EQ(world.hosts(), kSize);
    // Time makes room.
    worker.now += 150;
    EXPECT_GT(worker.run(FW_SET_SWEEP, 0, buckets_for(kSize)).filled, 0U);
    EXPECT_EQ(+worker.ask(FW_SET_ADD, 1'002, 0, 4, worker.now + 1).result, +FW_SET_DONE);
    // Those that stay for ever never give way.
    World lasting = World::make();
    ASSERT_TRUE(lasting.tables.ensure(kSet, kSize));
    Worker other(lasting);
    other.limit = kSize;
    for (std::uint64_t i = 0; i < kSize; ++i) other.ask(FW_SET_ADD, i, 0, 4, FW_HOST_FOR_EVER);
    for (std::uint64_t i = 0; i < kSize; ++i)
        EXPECT_EQ(+other.ask(FW_SET_ADD, 10'000 + i, 0, 4, FW_HOST_FOR_EVER).result, +FW_SET_REFUSED);
}

std::vector<Prefix> random_hosts(std::mt19937_64& random, std::size_t count) {
    std::vector<Prefix> hosts;
    for (std::size_t i = 0; i < count; ++i) {
        Prefix host;
        host.family = random() % 2 == 0 ? policy::Family::kIpv4 : policy::Family::kIpv6;
        host.length = policy::address_bits(host.family);
        for (std::size_t byte = 0; byte < host.length / 8U; ++byte)
            host.address[byte] = static_cast<std::uint8_t>(random());
        hosts.push_back(host);
    }
    std::sort(hosts.begin(), hosts.end());
    hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
    return hosts;
}

// The set takes as many as it says, whatever the addresses are: of ten thousand, one at most finds no place.
TEST(SetTest, HasRoomForItsSize) {
    std::mt19937_64 random(static_cast<unsigned>(GTEST_FLAG_GET(random_seed)));
    for (const std::size_t size : {1, 8, 20, 640, 65'536, 81'920}) {
        World world = World::make();
        ASSERT_TRUE(world.tables.ensure(kSet, size));
        const auto hosts = random_hosts(random, size);
        const SetMembers members = world.members(size);
        ASSERT_TRUE(members.settle());
        const auto added = members.add(members_until(hosts, 0));
        ASSERT_TRUE(added) << added.error().message;
        EXPECT_GE(added->done + size / 10'000, size);
        EXPECT_EQ(world.hosts(), added->done);
        const auto again = members.add(members_until(hosts, 0));
        EXPECT_EQ(again->unchanged, added->done);
        EXPECT_EQ(members.count().value(), added->done + again->done);
        const auto removed = members.remove(hosts);
        EXPECT_EQ(removed->done, added->done + again->done);
        EXPECT_EQ(world.hosts(), 0U);
    }
}

TEST(SetTest, ALargerTableKeepsTheMembers) {
    std::mt19937_64 random(static_cast<unsigned>(GTEST_FLAG_GET(random_seed)));
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, 1'000));
    const auto hosts = random_hosts(random, 1'000);
    ASSERT_TRUE(world.members(1'000).add(members_until(hosts, 0)));
    ASSERT_TRUE(world.tables.ensure(kSet, 50'000));
    EXPECT_EQ(world.tables.table(kSet).buckets, buckets_for(50'000));
    EXPECT_EQ(world.hosts(), hosts.size());
    const auto listed = world.members(50'000).list().value();
    ASSERT_EQ(listed.size(), hosts.size());
    for (const auto& member : listed)
        EXPECT_TRUE(std::binary_search(hosts.begin(), hosts.end(), member.prefix));
    // What a killed command left half moved is found in either table, and moved on.
    const auto spare = world.tables.make_spare(kSet, 100'000).value();
    world.tables.set_state(kSet, (world.tables.state(kSet) ^ FW_SET_TABLE) | FW_SET_MOVING);
    EXPECT_EQ(world.table(), spare);
    EXPECT_EQ(world.members(100'000).list().value().size(), hosts.size());
    ASSERT_TRUE(world.members(100'000).settle());
    EXPECT_EQ(world.tables.state(kSet) & FW_SET_MOVING, 0U);
    EXPECT_EQ(world.hosts(), hosts.size());
}

TEST(SetTest, ASmallerTableKeepsTheMembersAndGivesWay) {
    std::mt19937_64 random(static_cast<unsigned>(GTEST_FLAG_GET(random_seed)));
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, 65'536));
    const auto hosts = random_hosts(random, 100);
    const std::uint64_t soon = engine::monotonic_now() + 3'600'000'000'000;
    ASSERT_EQ(world.members(65'536).add(members_until(hosts, soon))->done, hosts.size());
    const std::uint64_t before = world.tables.bytes(kSet);
    ASSERT_TRUE(world.tables.fit(kSet, 65'536));
    EXPECT_EQ(world.tables.bytes(kSet), before);
    ASSERT_TRUE(world.tables.fit(kSet, 10));
    EXPECT_EQ(world.tables.table(kSet).buckets, buckets_for(100)) << "there are more than the size";
    EXPECT_LT(world.tables.bytes(kSet), before);
    EXPECT_EQ(world.members(100).count().value(), hosts.size());
    const auto later = members_until({policy::parse_prefix("192.0.2.1").value()}, soon * 2);
    const auto rehearsed = world.members(100).rehearse_add(later);
    const auto added = world.members(100).add(later);
    EXPECT_EQ(added->replaced, 1U);
    EXPECT_EQ(rehearsed->replaced, 1U);
    EXPECT_EQ(world.members(100).count().value(), hosts.size());
}

TEST(SetTest, IsReplacedAsAWhole) {
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, 1'000));
    const SetMembers members = world.members(1'000);
    const auto prefix = [](const char* text) { return policy::parse_prefix(text).value(); };
    ASSERT_TRUE(members.settle());
    ASSERT_TRUE(
        members.add(members_until({prefix("10.0.0.1"), prefix("10.1.0.0/16"), prefix("2001:db8::/32")}, 0)));
    ASSERT_TRUE(members.settle());
    ASSERT_TRUE(members.replace(members_until({prefix("10.0.0.2"), prefix("10.2.0.0/16")}, 0)));
    EXPECT_FALSE(members.find(prefix("10.0.0.1")).value());
    EXPECT_FALSE(members.find(prefix("10.1.2.3")).value());
    EXPECT_TRUE(members.find(prefix("10.0.0.2")).value());
    EXPECT_EQ(policy::format_prefix(members.find(prefix("10.2.2.3")).value()->prefix), "10.2.0.0/16");
    EXPECT_EQ(members.count().value(), 2U);
    EXPECT_EQ(world.maps.members.keys<fw_member_key>().size(), 1U) << "old prefixes stay in the trie";
    std::mt19937_64 random(1);
    const auto refused = members.replace(members_until(random_hosts(random, 1'001), 0));
    ASSERT_FALSE(refused);
    EXPECT_EQ(members.count().value(), 2U);
}

std::vector<Prefix> random_blocks(std::mt19937_64& random, std::size_t count) {
    std::vector<Prefix> blocks;
    for (std::size_t i = 0; i < count; ++i) {
        Prefix block;
        block.length = 24;
        for (std::size_t byte = 0; byte < 3; ++byte)
            block.address[byte] = static_cast<std::uint8_t>(random());
        blocks.push_back(block);
    }
    std::sort(blocks.begin(), blocks.end());
    blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
    return blocks;
}

// The kernel's own count of how often this process's programs of sets ran.
std::uint64_t runs_of_set_programs() {
    std::uint64_t runs = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        bpf_prog_info info{};
        std::uint32_t size = sizeof(info);
        const int fd = std::stoi(entry.path().filename());
        if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && std::string_view(info.name) == "fwctl_sets")
            runs += info.run_cnt;
    }
    return runs;
}

// What is refused costs no walk over the set: of a thousand blocks, as of one.
TEST(SetTest, IsSweptOnceInAnEdit) {
    constexpr std::uint64_t kSize = 20'000;
    const Fd counting(bpf_enable_stats(BPF_STATS_RUN_TIME));
    ASSERT_TRUE(counting) << strerror(errno);
    std::mt19937_64 random(static_cast<unsigned>(GTEST_FLAG_GET(random_seed)));
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, kSize));
    const SetMembers members = world.members(kSize);
    auto blocks = random_blocks(random, kSize + 1'000);
    const std::vector<Prefix> more(blocks.begin() + kSize, blocks.end());
    blocks.resize(kSize);
    ASSERT_EQ(members.add(members_until(blocks, 0))->done, kSize);
    const auto runs_for = [&](const std::vector<Prefix>& list) {
        const std::uint64_t before = runs_of_set_programs();
        EXPECT_EQ(members.add(members_until(list, 0))->refused, list.size());
        return runs_of_set_programs() - before;
    };
    const std::uint64_t for_one = runs_for({more.front()});
    EXPECT_GT(for_one, 0U);
    EXPECT_EQ(runs_for(more), for_one);
    EXPECT_EQ(world.tables.set(kSet).prefixes, kSize);
}

// A trie like that of the sets, for so few blocks.
kernel::Map small_trie(std::uint32_t blocks) {
    bpf_map_create_opts options{};
    options.sz = sizeof(options);
    options.map_flags = BPF_F_NO_PREALLOC;
    return kernel::Map::of(Fd(bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "members", sizeof(fw_member_key),
                                             sizeof(fw_member), blocks, &options)))
        .value();
}

TEST(SetTest, BlocksBeyondTheLimitOfAllSetsAreRefused) {
    std::mt19937_64 random(static_cast<unsigned>(GTEST_FLAG_GET(random_seed)));
    World world = World::make();
    const kernel::Map trie = small_trie(100);
    ASSERT_TRUE(world.tables.ensure(kSet, 1'000));
    ASSERT_TRUE(world.tables.ensure(kSet + 1, 1'000));
    const SetMembers members(world.tables, trie, kSet, 1'000);
    const SetMembers others(world.tables, trie, kSet + 1, 1'000);
    const auto blocks = random_blocks(random, 200);
    ASSERT_EQ(blocks.size(), 200U);
    const auto some = [&](std::size_t first, std::size_t count) {
        return std::vector<Prefix>(blocks.begin() + static_cast<std::ptrdiff_t>(first),
                                   blocks.begin() + static_cast<std::ptrdiff_t>(first + count));
    };
    ASSERT_EQ(others.add(members_until(some(150, 20), 0))->done, 20U);

    // What has no room does not keep the rest from being put in.
    auto list = some(0, 100);
    const auto hosts = random_hosts(random, 50);
    list.insert(list.end(), hosts.begin(), hosts.end());
    const auto counts = members.add(members_until(list, 0));
    ASSERT_TRUE(counts) << counts.error().message;
    EXPECT_EQ(counts->done, 130U);
    EXPECT_EQ(counts->refused, 20U);
    EXPECT_EQ(counts->crowded, 20U);
    EXPECT_EQ(members.count().value(), 130U);

    // A list whose blocks do not fit beside those that are there is refused as a whole.
    ASSERT_EQ(members.remove(some(0, 40))->done, 40U);
    const auto refused = members.replace(members_until(some(40, 41), 0));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "the list has 41 blocks, and the dynamic sets have 60 until it has taken the place of these: "
              "together they may have 100");
    EXPECT_EQ(refused.error().exit, Exit::kUsage);
    EXPECT_EQ(members.count().value(), 90U);
    ASSERT_TRUE(members.replace(members_until(some(40, 40), 0)));
    EXPECT_EQ(members.count().value(), 40U);
    EXPECT_EQ(trie.keys<fw_member_key>().size(), 60U);
    // Also when it shows only while they are being written.
    world.tables.set(kSet + 1).prefixes = 0;
    ASSERT_FALSE(members.replace(members_until(some(0, 60), 0)));
    EXPECT_EQ(members.count().value(), 40U);
    EXPECT_EQ(trie.keys<fw_member_key>().size(), 60U);
}

// Both kinds make room for both.
TEST(SetTest, WhatIsOverMakesRoomForAll) {
    std::mt19937_64 random(static_cast<unsigned>(GTEST_FLAG_GET(random_seed)));
    World world = World::make();
    ASSERT_TRUE(world.tables.ensure(kSet, 200));
    const SetMembers members = world.members(200);
    const auto blocks = random_blocks(random, 100);
    const auto hosts = random_hosts(random, 400);
    const std::vector<Prefix> first(hosts.begin(), hosts.begin() + 100);
    const std::vector<Prefix> then(hosts.begin() + 100, hosts.begin() + 300);
    const std::uint64_t soon = engine::monotonic_now() + 1'000'000'000;
    ASSERT_EQ(members.add(members_until(blocks, soon))->done, 100U);
    ASSERT_EQ(members.add(members_until(first, soon))->done, 100U);
    while (engine::monotonic_now() < soon + 10'000'000) std::this_thread::yield();
    ASSERT_EQ(members.add(members_until(then, 0))->done, 200U);
    EXPECT_EQ(world.tables.set(kSet).prefixes, 0U);
    EXPECT_EQ(members.count().value(), 200U);
}

}  // namespace
}  // namespace fwctl::testing
