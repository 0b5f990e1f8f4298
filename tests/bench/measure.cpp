#include "measure.h"

#include <algorithm>
#include <vector>

namespace fwctl::bench {
namespace {

constexpr std::uint32_t kFewestTurns = 50'000;
// Each run goes on with the flow behind the last one of the run before, of which the caches still know.
constexpr std::uint32_t kFewestToWarmUp = 1024, kMostToWarmUp = 65536;

double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

// Packets of one run.
struct Turns {
    std::uint32_t warm_up = 0;
    std::uint32_t timed = 0;
};

// No more of either than fit into the time that a run may take.
Turns shorter(const Turns& turns, double fitting) {
    const auto most = static_cast<std::uint32_t>(std::clamp<double>(fitting, kFewestTurns, UINT32_MAX));
    return {std::min(turns.warm_up, most), std::min(turns.timed, most)};
}

// By load what each round took.
using Times = std::vector<std::vector<double>>;

struct Best {
    double least = 0;
    double spread = 0;
};

Best best_of(Times& times) {
    std::vector<double> loads;
    for (auto& rounds : times) loads.push_back(median(rounds));
    const auto [least, most] = std::minmax_element(loads.begin(), loads.end());
    return {*least, *most - *least};
}

}  // namespace

Result<std::vector<Cost>> measure(Driver& driver, const std::vector<std::vector<int>>& programs,
                                  std::span<const int> trivial, std::uint32_t flows, const Effort& effort) {
    Times baselines(trivial.size());
    std::vector<Times> all(programs.size(), baselines);
    const Turns all_turns{std::clamp(flows, kFewestToWarmUp, kMostToWarmUp), effort.turns};
    std::vector<Turns> turns(programs.size(), all_turns);
    for (std::size_t round = 0; round < effort.rounds; ++round) {
        for (std::size_t load = 0; load < trivial.size(); ++load) {
            const auto baseline = driver.time(trivial[load], flows, all_turns.warm_up, all_turns.timed);
            if (!baseline) return tl::unexpected(baseline.error());
            baselines[load].push_back(*baseline);
            for (std::size_t i = 0; i < programs.size(); ++i) {
                const auto took = driver.time(programs[i][load], flows, turns[i].warm_up, turns[i].timed);
                if (!took) return tl::unexpected(took.error());
                turns[i] = shorter(turns[i], effort.longest / *took);
                all[i][load].push_back(*took);
            }
        }
    }
    const Best baseline = best_of(baselines);
    std::vector<Cost> costs;
    for (Times& times : all) {
        const Best best = best_of(times);
        costs.push_back({best.least - baseline.least, best.spread, baseline.least, baseline.spread});
    }
    return costs;
}

Result<Cost> measure(Driver& driver, std::span<const int> programs, std::span<const int> trivial,
                     std::uint32_t flows, const Effort& effort) {
    auto costs = measure(driver, {{programs.begin(), programs.end()}}, trivial, flows, effort);
    if (!costs) return tl::unexpected(costs.error());
    return costs->front();
}

}  // namespace fwctl::bench
