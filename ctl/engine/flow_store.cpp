// The pages of the flow table: made before a policy holds that follows flows, of another size when one asks
// for that, and given back when none follows any more.
#include <algorithm>
#include <atomic>

#include "engine/store.h"
#include "kernel/flow_program.h"
#include "kernel/grace.h"

namespace fwctl::engine {
namespace {

constexpr std::uint32_t kHalf = FW_FLOW_PAGES / 2;

std::uint32_t first_page_of(std::uint64_t place) {
    return static_cast<std::uint32_t>(place >> 32);
}

std::uint32_t buckets_of(std::uint64_t place) {
    return static_cast<std::uint32_t>(place);
}

std::uint32_t pages_of(std::uint64_t place) {
    return buckets_of(place) / FW_FLOW_PAGE_BUCKETS;
}

// Where a table goes that takes the place of one: to the other half of the pages.
std::uint32_t half_beside(std::uint64_t place) {
    return place != 0 && first_page_of(place) == 0 ? kHalf : 0;
}

void store_word(__u64& word, std::uint64_t value) {
    std::atomic_ref<__u64>(word).store(value, std::memory_order_seq_cst);
}

}  // namespace

Status Store::make_flow_table(std::uint32_t pages) const {
    fw_flow_table& table = control_.at(0)->flows;
    if (pages_of(table.place) == pages) return {};
    const std::uint32_t first = half_beside(table.place);
    if (auto made = flow_pages_.make(first, pages); !made) return made;
    if (table.place != 0) return {};
    if (auto cleared = flow_counts_.clear_per_cpu<fw_flow_counts>(0); !cleared) return cleared;
    // The programs look at it when a generation says so, which none does yet.
    store_word(table.place, fw_flow_place_of(first, pages * FW_FLOW_PAGE_BUCKETS));
    return {};
}

// Flows that change while they are looked at stay for the next round.
Status Store::move_flows() const {
    constexpr int kRounds = 8;
    fw_flow_table& table = control_.at(0)->flows;
    auto program = kernel::FlowProgram::load(control_.map(), flow_pages_.map(), flow_counts_);
    if (!program) return tl::unexpected(program.error());
    const auto now = static_cast<std::uint32_t>(monotonic_now() >> FW_FLOW_TICK_SHIFT);
    std::uint32_t left = 1;
    for (int round = 0; round < kRounds && left != 0; ++round) {
        left = 0;
        for (std::uint32_t first = 0; first < buckets_of(table.old_place); first += FW_FLOW_PAGE_BUCKETS) {
            auto page = program->move(first, FW_FLOW_PAGE_BUCKETS, now);
            if (!page) return tl::unexpected(page.error());
            left += *page;
        }
    }
    if (left != 0) return fail("some flows are still in the table of the size before");
    return {};
}

// A command that was killed may have stopped anywhere in here: the words of the table say how far it was.
Status Store::finish_moving() const {
    fw_flow_table& table = control_.at(0)->flows;
    if (table.old_place == 0) return {};
    if (table.old_place != table.place)
        if (auto moved = move_flows(); !moved) return moved;
    store_word(table.old_place, 0);
    return clear_flow_pages();
}

// The pages that no table has.
Status Store::clear_flow_pages() const {
    const fw_flow_table& table = control_.at(0)->flows;
    for (const std::uint32_t first : {std::uint32_t{0}, kHalf}) {
        const bool is_used = table.place != 0 && first_page_of(table.place) == first;
        if (is_used || !flow_pages_.has_any(first, kHalf)) continue;
        if (auto waited = kernel::wait_for_packets(); !waited) return waited;
        if (auto cleared = flow_pages_.clear(first, kHalf); !cleared) return cleared;
    }
    return {};
}

Status Store::fit_flow_table() const {
    fw_flow_table& table = control_.at(0)->flows;
    const std::uint32_t wanted = policy_.at(active_half())->flow_pages;
    if (auto finished = finish_moving(); !finished) return finished;
    if (wanted == 0) store_word(table.place, 0);
    if (table.place == 0 || wanted == pages_of(table.place)) return clear_flow_pages();
    const std::uint32_t first = half_beside(table.place);
    if (auto made = flow_pages_.make(first, wanted); !made) return made;
    store_word(table.old_place, table.place);
    store_word(table.place, fw_flow_place_of(first, wanted * FW_FLOW_PAGE_BUCKETS));
    if (auto waited = kernel::wait_for_packets(); !waited) return waited;
    return finish_moving();
}

bool Store::has_flow_table_that_fits() const {
    const fw_flow_table& table = control_.at(0)->flows;
    return table.old_place == 0 && pages_of(table.place) == policy_.at(active_half())->flow_pages;
}

Status Store::for_each_bucket(const std::function<void(fw_flow_bucket&)>& use) const {
    for (std::uint32_t index = 0; index < FW_FLOW_PAGES; ++index) {
        auto page = flow_pages_.map(index);
        if (!page) return tl::unexpected(page.error());
        if (!*page) continue;
        for (fw_flow_bucket& bucket : (*page)->at(0)->buckets) use(bucket);
    }
    return {};
}

Result<fw_flow_counts> Store::flow_counts() const {
    auto values = flow_counts_.per_cpu<fw_flow_counts>(0);
    if (!values) return tl::unexpected(values.error());
    fw_flow_counts sum{};
    for (const fw_flow_counts& value : *values) {
        sum.opened += value.opened;
        sum.confirmed += value.confirmed;
        sum.displaced += value.displaced;
        sum.crowded += value.crowded;
        sum.busy += value.busy;
    }
    return sum;
}

std::uint32_t Store::flow_room() const {
    return buckets_of(control_.at(0)->flows.place) * FW_FLOW_CONFIRMED;
}

}  // namespace fwctl::engine
