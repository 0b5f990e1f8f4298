#include "measure.h"

#include <algorithm>
#include <vector>

namespace fwctl::bench {
namespace {

double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}  // namespace

Result<Cost> measure(const Driver& driver, std::span<const int> programs, std::span<const int> trivial,
                     std::uint32_t flows, const Effort& effort) {
    std::vector<std::vector<double>> costs(programs.size());
    std::vector<std::vector<double>> baselines(programs.size());
    for (std::size_t round = 0; round < effort.rounds; ++round) {
        for (std::size_t load = 0; load < programs.size(); ++load) {
            const auto baseline = driver.time(trivial[load], flows, effort.turns);
            const auto cost = driver.time(programs[load], flows, effort.turns);
            if (!baseline) return tl::unexpected(baseline.error());
            if (!cost) return tl::unexpected(cost.error());
            baselines[load].push_back(*baseline);
            costs[load].push_back(*cost);
        }
    }
    std::vector<double> of_program;
    std::vector<double> of_trivial;
    for (auto& values : costs) of_program.push_back(median(values));
    for (auto& values : baselines) of_trivial.push_back(median(values));
    const auto [least, most] = std::minmax_element(of_program.begin(), of_program.end());
    const double baseline = *std::min_element(of_trivial.begin(), of_trivial.end());
    return Cost{*least - baseline, *most - *least, baseline};
}

}  // namespace fwctl::bench
