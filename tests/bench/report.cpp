#include "report.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <cstdio>
#include <fstream>

namespace fwctl::bench {
namespace {

constexpr int kNameWidth = 42;

std::string cell(const std::optional<Cost>& cost) {
    return cost ? fmt::format("{:.1f} +{:.1f}", cost->nanoseconds, cost->spread) : "-";
}

std::string target_cell(const std::optional<Cost>& cost, const std::optional<double>& target) {
    if (!target) return "";
    return cost ? fmt::format("{} x{:.2f}", *target, cost->nanoseconds / *target)
                : fmt::format("{}", *target);
}

nlohmann::json figures_of(const Cost& cost) {
    return {{"ns", cost.nanoseconds},
            {"spread", cost.spread},
            {"baseline", cost.baseline},
            {"baseline_spread", cost.baseline_spread}};
}

// "3.1/2 x1.55": so many times the constant; the target, and how many times that. Both with the driver's
// share, as the design's 165 ns for 4.1 times can only be meant.
std::string times_cell(const std::optional<Cost>& cost, const std::optional<Cost>& constant,
                       const std::optional<double>& target) {
    if (!cost || !constant) return target ? fmt::format("/{}", *target) : "";
    const double times = (cost->baseline + cost->nanoseconds) / (constant->baseline + constant->nanoseconds);
    return target ? fmt::format("{:.1f}/{} x{:.2f}", times, *target, times / *target)
                  : fmt::format("{:.1f}", times);
}

}  // namespace

void Report::packets_begin() const {
    fmt::print(
        "\nPer packet, nanoseconds over a trivial program: best load, median of the rounds, +spread of all\n"
        "(below: the design's target, and how many times that it takes)\n\n");
    columns();
}

void Report::columns() const {
    fmt::print("{:<{}}", "", kNameWidth);
    for (const char* name : kFlowNames) fmt::print("{:>17}", name);
    fmt::print("{:>10}\n", "baseline");
    std::fflush(stdout);
}

void Report::add(const PacketRow& row) {
    if (packets_.empty()) packets_begin();
    nlohmann::json entry = {{"name", row.name}};
    fmt::print("{:<{}}", row.name, kNameWidth);
    bool has_target = false;
    double baseline = 0;
    for (std::size_t i = 0; i < kFlowCounts.size(); ++i) {
        fmt::print("{:>17}", cell(row.costs[i]));
        has_target = has_target || row.targets[i].has_value();
        if (!row.costs[i]) continue;
        if (baseline == 0) baseline = row.costs[i]->baseline;
        nlohmann::json& figures = entry["flows"][kFlowNames[i]];
        figures = figures_of(*row.costs[i]);
        if (row.targets[i]) figures["target"] = *row.targets[i];
    }
    fmt::print("{:>10.1f}\n", baseline);
    if (has_target) {
        fmt::print("{:<{}}", "", kNameWidth);
        for (std::size_t i = 0; i < kFlowCounts.size(); ++i)
            fmt::print("{:>17}", target_cell(row.costs[i], row.targets[i]));
        fmt::print("\n");
    }
    if (!row.note.empty()) fmt::print("  {}\n", row.note);
    if (!row.note.empty()) entry["note"] = row.note;
    if (row.growth) entry["of"] = row.growth->of;
    if (row.growth) entry["size"] = row.growth->size;
    std::fflush(stdout);
    packets_.push_back(std::move(entry));
    static_cast<void>(write());  // again at the end, where it counts
}

void Report::balance_begin() const {
    fmt::print(
        "\nBalancing, nanoseconds over a trivial program: best load +spread, as above\n"
        "(below: the same of constant encapsulation in the same run; how many times that balancing takes, "
        "with\n"
        "what the driver takes in both, the design's target, and how many times that)\n\n");
    columns();
}

void Report::add(const BalanceRow& row) {
    nlohmann::json entry = {{"name", row.name}};
    std::string costs, constants, times;
    double baseline = 0;
    for (std::size_t i = 0; i < kFlowCounts.size(); ++i) {
        const auto &cost = row.costs[i], &constant = row.constant[i];
        costs += fmt::format("{:>17}", cell(cost));
        constants += fmt::format("{:>17}", cell(constant));
        times += fmt::format("{:>17}", times_cell(cost, constant, row.targets[i]));
        if (!cost || !constant) continue;
        if (baseline == 0) baseline = cost->baseline;
        nlohmann::json& figures = entry["flows"][kFlowNames[i]];
        figures = figures_of(*cost);
        figures["constant"] = constant->nanoseconds;
        figures["constant_spread"] = constant->spread;
        if (row.targets[i]) figures["target_times_constant"] = *row.targets[i];
    }
    fmt::print("{:<{}}{}{:>10.1f}\n", row.name, kNameWidth, costs, baseline);
    fmt::print("{:<{}}{}\n", "  constant encapsulation", kNameWidth, constants);
    fmt::print("{:<{}}{}\n", "  times that/target", kNameWidth, times);
    if (!row.note.empty()) fmt::print("  {}\n", row.note);
    if (!row.note.empty()) entry["note"] = row.note;
    std::fflush(stdout);
    balance_.push_back(std::move(entry));
    static_cast<void>(write());
}

Status Report::write() const {
    if (path_.empty()) return {};
    std::ofstream file(path_);
    const nlohmann::json all = {{"schema", 1}, {"packets", packets_}, {"balance", balance_}};
    file << all.dump(2) << '\n';
    file.close();
    return file ? Status{} : fail(fmt::format("cannot write {}", path_));
}

}  // namespace fwctl::bench
