#include "measure.h"

#include <algorithm>

namespace fwctl::bench {
namespace {

constexpr std::uint32_t kFewestTurns = 50'000;
// Each run goes on with the flow behind the last one of the run before, of which the caches still know.
constexpr std::uint32_t kFewestToWarmUp = 1024, kMostToWarmUp = 65536;

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

struct Typical {
    double value = 0;
    double spread = 0;
};

// Of what was taken in each round, and in it with each load.
Typical typical(const std::vector<std::vector<double>>& rounds) {
    std::vector<double> least;
    double most = 0;
    for (const auto& loads : rounds) {
        const auto [low, high] = std::minmax_element(loads.begin(), loads.end());
        least.push_back(*low);
        most = std::max(most, *high);
    }
    const double value = median(least);
    return {value, most - value};
}

}  // namespace

// No more of either than fit into the time that a run may take.
Measurements::Turns Measurements::shorter(const Turns& turns, double fitting) {
    const auto most = static_cast<std::uint32_t>(std::clamp<double>(fitting, kFewestTurns, UINT32_MAX));
    return {std::min(turns.warm_up, most), std::min(turns.timed, most)};
}

Status Measurements::take(const std::string& row, std::uint32_t flows, Driver& driver,
                          const std::vector<std::vector<int>>& programs, std::span<const int> trivial) {
    const Turns all{std::clamp(flows, kFewestToWarmUp, kMostToWarmUp), effort_.turns};
    Cell& cell = cells_[{row, flows}];
    cell.programs.resize(programs.size());
    cell.turns.resize(programs.size(), all);
    cell.baseline.emplace_back();
    for (Times& times : cell.programs) times.emplace_back();
    for (std::size_t load = 0; load < trivial.size(); ++load) {
        const auto baseline = driver.time(trivial[load], flows, all.warm_up, all.timed);
        if (!baseline) return tl::unexpected(baseline.error());
        cell.baseline.back().push_back(*baseline);
        for (std::size_t i = 0; i < programs.size(); ++i) {
            Turns& turns = cell.turns[i];
            const auto took = driver.time(programs[i][load], flows, turns.warm_up, turns.timed);
            if (!took) return tl::unexpected(took.error());
            turns = shorter(turns, effort_.longest / *took);
            cell.programs[i].back().push_back(*took);
        }
    }
    return {};
}

std::vector<Cost> Measurements::costs(const std::string& row, std::uint32_t flows) const {
    const Cell& cell = cells_.at({row, flows});
    const Typical baseline = typical(cell.baseline);
    std::vector<Cost> costs;
    for (const Times& times : cell.programs) {
        const Typical all = typical(times);
        costs.push_back({all.value - baseline.value, all.spread, baseline.value, baseline.spread});
    }
    return costs;
}

}  // namespace fwctl::bench
