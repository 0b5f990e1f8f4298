// How many checks the agent has made, what they found and how long they took, told from its process to the
// one that reports (agent/reporter.h) through memory that both have.
//
// Promises: never goes back while the agent lives; a reader never sees half a number.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "agent/probe.h"

namespace fwctl::agent {

// Of the histogram, in seconds: a check takes at most its timeout.
inline constexpr std::array<double, 9> kCheckBounds = {0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10};

struct CheckStats {
    void note(Finding finding, std::chrono::nanoseconds took) {
        by_finding[static_cast<std::size_t>(finding)].fetch_add(1, std::memory_order_relaxed);
        nanoseconds.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
        const double seconds = std::chrono::duration<double>(took).count();
        std::size_t bucket = 0;
        while (bucket < kCheckBounds.size() && seconds > kCheckBounds[bucket]) ++bucket;
        by_bucket[bucket].fetch_add(1, std::memory_order_relaxed);
    }

    std::array<std::atomic<std::uint64_t>, kFindings> by_finding{};
    std::array<std::atomic<std::uint64_t>, kCheckBounds.size() + 1> by_bucket{};  // the last: beyond all
    std::atomic<std::uint64_t> nanoseconds = 0;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace fwctl::agent
