#include "report.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <cstdio>
#include <fstream>

namespace fwctl::bench {
namespace {

constexpr int kNameWidth = 36;

std::string cell(const std::optional<Cost>& cost) {
    return cost ? fmt::format("{:.1f} +{:.1f}", cost->nanoseconds, cost->spread) : "-";
}

std::string target_cell(const std::optional<Cost>& cost, const std::optional<double>& target) {
    if (!target) return "";
    return cost ? fmt::format("{} x{:.2f}", *target, cost->nanoseconds / *target)
                : fmt::format("{}", *target);
}

}  // namespace

void Report::packets_begin() const {
    fmt::print(
        "\nPer packet, nanoseconds over a trivial program: best load +spread between the loads\n"
        "(below: the design's target, and how many times that it takes)\n\n");
    fmt::print("{:<{}}", "", kNameWidth);
    for (const char* name : kFlowNames) fmt::print("{:>15}", name);
    fmt::print("{:>10}\n", "baseline");
    std::fflush(stdout);
}

void Report::add(const PacketRow& row) {
    nlohmann::json entry = {{"name", row.name}};
    fmt::print("{:<{}}", row.name, kNameWidth);
    bool has_target = false;
    double baseline = 0;
    for (std::size_t i = 0; i < kFlowCounts.size(); ++i) {
        fmt::print("{:>15}", cell(row.costs[i]));
        has_target = has_target || row.targets[i].has_value();
        if (!row.costs[i]) continue;
        if (baseline == 0) baseline = row.costs[i]->baseline;
        nlohmann::json& figures = entry["flows"][kFlowNames[i]];
        figures = {{"ns", row.costs[i]->nanoseconds},
                   {"spread", row.costs[i]->spread},
                   {"baseline", row.costs[i]->baseline}};
        if (row.targets[i]) figures["target"] = *row.targets[i];
    }
    fmt::print("{:>10.1f}\n", baseline);
    if (has_target) {
        fmt::print("{:<{}}", "", kNameWidth);
        for (std::size_t i = 0; i < kFlowCounts.size(); ++i)
            fmt::print("{:>15}", target_cell(row.costs[i], row.targets[i]));
        fmt::print("\n");
    }
    std::fflush(stdout);
    packets_.push_back(std::move(entry));
}

void Report::control_begin() const {
    fmt::print("\nControl plane\n\n");
    std::fflush(stdout);
}

void Report::add(const ControlRow& row) {
    fmt::print("{:<64}{:>10.1f} {:<3}", row.name, row.value, row.unit);
    if (row.target) fmt::print("   target {} x{:.2f}", *row.target, row.value / *row.target);
    fmt::print("\n");
    std::fflush(stdout);
    nlohmann::json entry = {{"name", row.name}, {"value", row.value}, {"unit", row.unit}};
    if (row.target) entry["target"] = *row.target;
    control_.push_back(std::move(entry));
}

void Report::skip(const std::string& what, const std::string& why) {
    fmt::print("SKIPPED {}: {}\n", what, why);
    skipped_.push_back({{"name", what}, {"why", why}});
}

Status Report::write_json(const std::string& path) const {
    std::ofstream file(path);
    const nlohmann::json all = {
        {"schema", 1}, {"packets", packets_}, {"control", control_}, {"skipped", skipped_}};
    file << all.dump(2) << '\n';
    file.close();
    return file ? Status{} : fail(fmt::format("cannot write {}", path));
}

}  // namespace fwctl::bench
