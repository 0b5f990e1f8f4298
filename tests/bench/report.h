// The figures, as a table for people and as JSON.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "measure.h"
#include "scenario.h"

namespace fwctl::bench {

// Costs per packet, by the number of flows.
struct PacketRow {
    std::string name;
    std::array<std::optional<Cost>, kFlowCounts.size()> costs;
    Targets targets;
    std::optional<Growth> growth;
    std::string note;
};

// Costs per packet of balancing, beside those of a program that puts a constant header in front of each
// packet. Targets are multiples of the latter.
struct BalanceRow {
    std::string name;
    std::array<std::optional<Cost>, kFlowCounts.size()> costs;
    std::array<std::optional<Cost>, kFlowCounts.size()> constant;
    Targets targets;
    std::string note;
};

// Prints rows as they come, and keeps them; in the file, too, unless its path is empty: what was measured
// stays there when a later row fails.
class Report {
public:
    explicit Report(std::string path) : path_(std::move(path)) {}

    void add(const PacketRow& row);
    void balance_begin() const;
    void add(const BalanceRow& row);

    [[nodiscard]] bool empty() const { return packets_.empty() && balance_.empty(); }
    [[nodiscard]] Status write() const;

private:
    void packets_begin() const;
    void columns() const;

    std::string path_;
    nlohmann::json packets_ = nlohmann::json::array();
    nlohmann::json balance_ = nlohmann::json::array();
};

}  // namespace fwctl::bench
