// What a program costs per packet: its time less that of a trivial one under the same driver, both in turns.
//
// Promises: every program comes loaded several times. For each load the median over the rounds is taken, and
// of the loads the least: the place in memory at which the JIT compiler puts a program is luck. What the
// loads differ by is the spread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "driver.h"

namespace fwctl::bench {

struct Effort {
    std::size_t loads = 5;
    std::size_t rounds = 3;  // odd
    std::uint32_t turns = 250'000;
    double longest = 2.5e8;  // nanoseconds that a run may take: slow programs get fewer turns
    std::uint32_t most_flows = BENCH_FLOWS;
};

struct Cost {
    double nanoseconds = 0;
    double spread = 0;           // between the loads: it may be so much more
    double baseline = 0;         // what was taken away
    double baseline_spread = 0;  // so much less
};

Result<Cost> measure(Driver& driver, std::span<const int> programs, std::span<const int> trivial,
                     std::uint32_t flows, const Effort& effort);
// The same of several programs that are to be compared: all in turns.
Result<std::vector<Cost>> measure(Driver& driver, const std::vector<std::vector<int>>& programs,
                                  std::span<const int> trivial, std::uint32_t flows, const Effort& effort);

}  // namespace fwctl::bench
