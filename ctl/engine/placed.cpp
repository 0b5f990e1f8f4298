#include "engine/placed.h"

#include <algorithm>
#include <atomic>

#include "engine/clock.h"
#include "engine/store.h"
#include "policy/service.h"

namespace fwctl::engine {
namespace {

std::uint32_t timeout_of(const policy::Vip& vip) {
    const bool has_tcp =
        std::any_of(vip.services.begin(), vip.services.end(),
                    [](const policy::Service& service) { return service.protocol == policy::kProtocolTcp; });
    return has_tcp ? FW_PLACED_TCP_TIMEOUT : FW_PLACED_UDP_TIMEOUT;
}

// As fw_placed_age() and fw_placed_backend().
std::uint32_t age_of(std::uint64_t word, std::uint32_t now) {
    return (now - static_cast<std::uint32_t>(word)) & ((1U << FW_PLACED_TIME_BITS) - 1);
}

std::uint32_t backend_of(std::uint64_t word) {
    return static_cast<std::uint32_t>(word >> FW_PLACED_BACKEND_SHIFT) & (FW_MAX_BACKENDS - 1);
}

// As fw_is_placed_over(); `timeout`: of a proven flow.
bool is_over(std::uint64_t word, std::size_t way, std::uint32_t timeout, std::uint32_t now) {
    if (way >= FW_PLACED_KEPT)
        timeout = FW_PLACED_NEW_TIMEOUT;
    else if ((word & FW_PLACED_CLOSING) != 0)
        timeout = FW_PLACED_CLOSING_TIMEOUT;
    return age_of(word, now) > timeout;
}

std::chrono::seconds time_of(std::uint32_t ticks) {
    return std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::nanoseconds(static_cast<std::uint64_t>(ticks) << FW_PLACED_TICK_SHIFT));
}

}  // namespace

std::uint32_t placed_ticks() {
    return static_cast<std::uint32_t>(monotonic_now() >> FW_PLACED_TICK_SHIFT);
}

PlacedCounter::PlacedCounter(const std::vector<policy::Vip>& vips, const compile::Numbers& numbers) {
    for (const policy::Vip& vip : vips)
        for (const policy::Backend& backend : vip.backends)
            backends_[numbers.backend(vip.name, backend.name)].timeout = timeout_of(vip);
}

fw_placed_line read_placed(fw_placed_line& line) {
    fw_placed_line seen;
    for (std::size_t way = 0; way < FW_PLACED_WAYS; ++way)
        seen.words[way] = std::atomic_ref<__u64>(line.words[way]).load(std::memory_order_relaxed);
    return seen;
}

std::size_t free_placed(fw_placed_line& line, const fw_placed_line& seen, std::uint32_t now) {
    std::size_t freed = 0;
    for (std::size_t way = 0; way < FW_PLACED_WAYS; ++way) {
        __u64 word = seen.words[way];
        if (word == 0 || !is_over(word, way, FW_PLACED_TCP_TIMEOUT, now)) continue;
        if (std::atomic_ref<__u64>(line.words[way]).compare_exchange_strong(word, 0)) ++freed;
    }
    return freed;
}

void PlacedCounter::add(const fw_placed_line& line, std::uint32_t now) {
    for (std::size_t way = 0; way < FW_PLACED_WAYS; ++way) {
        const std::uint64_t word = line.words[way];
        const auto found = backends_.find(backend_of(word));
        if (word == 0 || found == backends_.end()) continue;
        if (is_over(word, way, found->second.timeout, now)) continue;
        const std::uint32_t age = age_of(word, now);
        PlacedFlows& flows = found->second.flows;
        ++(way < FW_PLACED_KEPT ? flows.proven : flows.fresh);
        flows.idle = std::min(flows.idle.value_or(time_of(age)), time_of(age));
    }
}

// The clock is asked after a line is read, so that no entry is younger than now.
Result<PlacedCounter> count_placed(const Store& store, const std::vector<policy::Vip>& vips,
                                   const compile::Numbers& numbers) {
    PlacedCounter counter(vips, numbers);
    auto read =
        store.for_each_placed_line([&](const fw_placed_line& line) { counter.add(line, placed_ticks()); });
    if (!read) return tl::unexpected(read.error());
    return counter;
}

}  // namespace fwctl::engine
