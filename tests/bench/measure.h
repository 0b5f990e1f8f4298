// What a program costs per packet: its time less that of a trivial one under the same driver, both in turns.
//
// Promises: every program comes loaded several times, as the place in memory at which the JIT compiler puts
// it is luck: of the loads the least counts. A run goes through all rows once in each round, so that no
// figure is of one moment: of the rounds the median counts. What the slowest of all took more is the spread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
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
    double spread = 0;           // what it may be more
    double baseline = 0;         // what was taken away
    double baseline_spread = 0;  // so much less
};

// What has been measured, by the names of rows and the number of flows.
class Measurements {
public:
    explicit Measurements(const Effort& effort) : effort_(effort) {}

    // One round of one program, or of several that are to be compared: each is given in all its loads.
    Status take(const std::string& row, std::uint32_t flows, Driver& driver,
                const std::vector<std::vector<int>>& programs, std::span<const int> trivial);
    // Of each program, when all rounds are over.
    [[nodiscard]] std::vector<Cost> costs(const std::string& row, std::uint32_t flows) const;

private:
    // Packets of one run.
    struct Turns {
        std::uint32_t warm_up = 0;
        std::uint32_t timed = 0;
    };
    // Of one program: what it took by round, and in it by load.
    using Times = std::vector<std::vector<double>>;
    struct Cell {
        Times baseline;
        std::vector<Times> programs;
        std::vector<Turns> turns;  // by program
    };
    static Turns shorter(const Turns& turns, double fitting);

    Effort effort_;
    std::map<std::pair<std::string, std::uint32_t>, Cell> cells_;
};

}  // namespace fwctl::bench
