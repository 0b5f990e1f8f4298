#include "engine/placed.h"

#include <algorithm>

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

// What is over is as in fw_is_placed_over().
void PlacedCounter::add(const fw_placed_line& line, std::uint32_t now) {
    for (std::size_t way = 0; way < FW_PLACED_WAYS; ++way) {
        const std::uint64_t word = line.words[way];
        const auto found = backends_.find(backend_of(word));
        if (word == 0 || found == backends_.end()) continue;
        const bool is_proven = way < FW_PLACED_KEPT;
        std::uint32_t timeout = found->second.timeout;
        if (!is_proven)
            timeout = FW_PLACED_NEW_TIMEOUT;
        else if ((word & FW_PLACED_CLOSING) != 0)
            timeout = FW_PLACED_CLOSING_TIMEOUT;
        const std::uint32_t age = age_of(word, now);
        if (age > timeout) continue;
        PlacedFlows& flows = found->second.flows;
        ++(is_proven ? flows.proven : flows.fresh);
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
