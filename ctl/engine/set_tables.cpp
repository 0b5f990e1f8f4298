#include "engine/set_tables.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>

#include "engine/clock.h"
#include "kernel/grace.h"

namespace fwctl::engine {
namespace {

std::uint32_t pages_of(std::uint32_t buckets) {
    return (buckets + FW_PAGE_BUCKETS - 1) / FW_PAGE_BUCKETS;
}

void choose_key(fw_set& set) {
    while (set.key[0] == 0)
        if (getrandom(set.key, sizeof(set.key), 0) != sizeof(set.key)) set.key[0] = 0;
}

void set_table(fw_host_table& table, std::uint32_t first_page, std::uint32_t buckets) {
    table.hosts = 0;
    table.first_page = first_page;
    table.mask = buckets - 1;
    table.buckets = buckets;
}

}  // namespace

std::uint32_t buckets_for(std::uint64_t hosts) {
    const std::uint64_t needed = (2 * hosts + FW_BUCKET_HOSTS - 1) / FW_BUCKET_HOSTS;
    return static_cast<std::uint32_t>(std::bit_ceil(std::max<std::uint64_t>(needed, FW_HOST_PROBES)));
}

std::uint64_t now_in_ticks() {
    return monotonic_now() >> FW_HOST_TICK_SHIFT;
}

Result<SetTables> SetTables::of(kernel::Map sets, kernel::Map pages) {
    auto mapped = kernel::MappedArray<fw_sets>::of(std::move(sets), 1);
    if (!mapped) return tl::unexpected(mapped.error());
    SetTables tables;
    tables.sets_ = std::move(*mapped);
    tables.pages_ = kernel::SetPages({std::move(pages), tables.sets_.at(0)->pages});
    return tables;
}

std::uint64_t SetTables::state(std::uint32_t number) const {
    return std::atomic_ref<__u64>(set(number).state).load(std::memory_order_acquire);
}

void SetTables::set_state(std::uint32_t number, std::uint64_t state) const {
    std::atomic_ref<__u64>(set(number).state).store(state, std::memory_order_release);
}

const fw_host_table& SetTables::table(std::uint32_t number) const {
    return set(number).tables[state(number) & FW_SET_TABLE];
}

std::uint64_t SetTables::bytes(std::uint32_t number) const {
    std::uint64_t pages = 0;
    for (const fw_host_table& table : set(number).tables) pages += pages_of(table.buckets);
    return pages * sizeof(fw_host_page);
}

Result<const kernel::SetProgram*> SetTables::program() const {
    if (!program_) {
        auto loaded = directory_.empty() ? kernel::SetProgram::load(sets_map(), pages_map())
                                         : kernel::SetProgram::open(sets_map(), pages_map(), directory_);
        if (!loaded) return tl::unexpected(loaded.error());
        program_ = std::make_unique<kernel::SetProgram>(std::move(*loaded));
    }
    return program_.get();
}

// What is there and belongs to no table: of a command that was killed.
Status SetTables::give_back_pages() const {
    std::vector<bool> used(FW_SET_PAGES);
    for (const fw_set& set : sets_.at(0)->by_number)
        for (const fw_host_table& table : set.tables)
            for (std::uint32_t page = 0; page < pages_of(table.buckets); ++page)
                used[table.first_page + page] = true;
    std::vector<std::uint32_t> lost = pages_.present();
    std::erase_if(lost, [&](std::uint32_t page) { return used[page]; });
    return pages_.clear(lost);
}

// The first gap that is wide enough.
Result<std::uint32_t> SetTables::free_pages(std::uint32_t count) const {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> used;
    for (const fw_set& set : sets_.at(0)->by_number)
        for (const fw_host_table& table : set.tables)
            if (table.buckets != 0) used.emplace_back(table.first_page, pages_of(table.buckets));
    std::sort(used.begin(), used.end());
    std::uint32_t first = 0;
    for (const auto& [begin, pages] : used) {
        if (begin - first >= count) return first;
        first = begin + pages;
    }
    if (FW_SET_PAGES - first >= count) return first;
    return fail(fmt::format("the dynamic sets together are larger than {} MB of tables, the limit",
                            FW_SET_PAGES * sizeof(fw_host_page) >> 20));
}

Result<std::uint32_t> SetTables::make_spare(std::uint32_t number, std::uint64_t hosts) const {
    if (auto settled = settle(number); !settled) return tl::unexpected(settled.error());
    const std::uint32_t buckets = buckets_for(hosts);
    auto first = free_pages(pages_of(buckets));
    if (!first) return first;
    if (auto lost = give_back_pages(); !lost) return tl::unexpected(lost.error());
    if (auto made = pages_.make(*first, pages_of(buckets)); !made) {
        (void)give_back_pages();
        return tl::unexpected(made.error());
    }
    fw_set& set = this->set(number);
    choose_key(set);
    const auto spare = static_cast<std::uint32_t>(~state(number) & FW_SET_TABLE);
    set_table(set.tables[spare], *first, buckets);
    return spare;
}

Status SetTables::drop_spare(std::uint32_t number) const {
    if (auto quiet = kernel::wait_for_packets(); !quiet) return quiet;
    set(number).tables[~state(number) & FW_SET_TABLE] = {};
    return give_back_pages();
}

Status SetTables::drop(const std::vector<std::uint32_t>& numbers) const {
    std::vector<std::uint32_t> there;
    for (const std::uint32_t number : numbers)
        if (set(number).tables[0].buckets != 0 || set(number).tables[1].buckets != 0) there.push_back(number);
    if (there.empty()) return {};
    for (const std::uint32_t number : there) set_state(number, 0);
    if (auto quiet = kernel::wait_for_packets(); !quiet) return quiet;
    for (const std::uint32_t number : there) set(number) = {};
    return give_back_pages();
}

// Packets look in both tables meanwhile, and put new hosts into the one that holds.
Status SetTables::move(std::uint32_t number) const {
    // Those that read the word before still put hosts into the table that is to be emptied.
    if (auto quiet = kernel::wait_for_packets(); !quiet) return quiet;
    auto program = this->program();
    if (!program) return tl::unexpected(program.error());
    const std::uint64_t holds = state(number) & FW_SET_TABLE;
    const fw_host_table& from = set(number).tables[holds ^ FW_SET_TABLE];
    fw_set_job job{};
    job.command = FW_SET_MOVE;
    job.set = number;
    job.table = static_cast<std::uint32_t>(holds);
    job.limit = ~std::uint64_t{0};
    constexpr std::uint32_t kBuckets = 4096;
    constexpr int kTurns = 100;  // a host whose bucket is locked for the moment stays for the next one
    for (int turn = 0; turn < kTurns; ++turn) {
        job.now = now_in_ticks();
        for (job.first = 0; job.first < from.buckets; job.first += kBuckets) {
            job.count = std::min(kBuckets, from.buckets - job.first);
            if (auto moved = (*program)->run(job); !moved) return tl::unexpected(moved.error());
        }
        job.command = FW_SET_SWEEP;  // those whose time is over
        job.table ^= FW_SET_TABLE;
        for (job.first = 0; job.first < from.buckets; job.first += kBuckets) {
            job.count = std::min(kBuckets, from.buckets - job.first);
            if (auto swept = (*program)->run(job); !swept) return tl::unexpected(swept.error());
        }
        if (std::atomic_ref<const __u64>(from.hosts).load() == 0) return {};
        job.command = FW_SET_MOVE;
        job.table ^= FW_SET_TABLE;
    }
    return fail("the members of a set cannot be moved to its other table: try again");
}

Status SetTables::settle(std::uint32_t number) const {
    const std::uint64_t seen = state(number);
    if (set(number).tables[~seen & FW_SET_TABLE].buckets == 0) return {};
    if ((seen & FW_SET_MOVING) != 0) {
        if (auto moved = move(number); !moved) return moved;
        set_state(number, seen & ~std::uint64_t{FW_SET_MOVING});
    }
    return drop_spare(number);
}

Status SetTables::resize(std::uint32_t number, std::uint64_t hosts) const {
    const bool is_new = table(number).buckets == 0;
    auto spare = make_spare(number, hosts);
    if (!spare) return tl::unexpected(spare.error());
    const std::uint64_t next = (state(number) ^ FW_SET_TABLE) | (is_new ? 0U : std::uint64_t{FW_SET_MOVING});
    set_state(number, next);
    return is_new ? Status{} : settle(number);
}

Status SetTables::ensure(std::uint32_t number, std::uint64_t hosts) const {
    if (auto settled = settle(number); !settled) return settled;
    return table(number).buckets >= buckets_for(hosts) ? Status{} : resize(number, hosts);
}

Status SetTables::fit(std::uint32_t number, std::uint64_t hosts) const {
    if (auto settled = settle(number); !settled) return settled;
    const std::uint64_t held = std::atomic_ref<const __u64>(table(number).hosts).load();
    const std::uint64_t needed = std::max(hosts, held);
    return table(number).buckets <= buckets_for(needed) ? Status{} : resize(number, needed);
}

}  // namespace fwctl::engine
