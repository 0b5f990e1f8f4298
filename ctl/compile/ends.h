// What the classes of the two ends lead to: leaves of rules that name one end narrowly, pairs of those that
// name both, and bits for what is broad.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "compile/classes.h"
#include "compile/leaf.h"
#include "compile/ways.h"
#include "fwctl/abi/policy.h"

namespace fwctl::compile {

// Whether a rule on that way has been compared at that end when its rows are reached.
constexpr bool found_by(Way way, fw_side side) {
    return way == Way::kPair || way == (side == FW_SOURCE ? Way::kSource : Way::kDestination);
}

// The constraints that rows ask for themselves.
class Checks {
public:
    // From 1; 0 for constraint 0, which needs none.
    std::uint32_t number_of(fw_side side, std::uint32_t constraint);
    // The numbers given on that side.
    [[nodiscard]] std::size_t size(fw_side side) const { return counts_[side]; }
    // 0: no row asks for it.
    [[nodiscard]] std::uint32_t find(fw_side side, std::uint32_t constraint) const;

private:
    std::array<std::vector<std::uint32_t>, FW_SIDES> numbers_;  // by constraint
    std::array<std::uint32_t, FW_SIDES> counts_{};
};

// The rows that name one end narrowly, by its constraint. Rows are added in ascending order.
class Narrow {
public:
    void add(std::uint32_t constraint, std::span<const RowNumber> rows);
    // Those of a class, in ascending order.
    [[nodiscard]] std::vector<RowNumber> rows_of(const std::vector<std::uint32_t>& members) const;

private:
    std::vector<std::vector<RowNumber>> rows_;  // by constraint
};

// The rows that name both.
class Pairs {
public:
    void add(const Ends& ends, std::span<const RowNumber> rows);
    void put(Bank& bank, const Classes& sources, const Classes& destinations, Leaves& leaves, fw_tier& tier);
    // After put(): for each class its number in the pairs; 0: none.
    [[nodiscard]] const std::vector<std::uint32_t>& numbers(fw_side side) const { return numbers_[side]; }

private:
    struct Rows {
        Ends ends;
        std::vector<RowNumber> rows;
    };
    // For each constraint that is used, the pair numbers of its classes.
    using Parts = std::unordered_map<std::uint32_t, std::vector<std::uint32_t>>;

    Parts number(const Classes& classes, fw_side side);

    std::vector<Rows> all_;
    std::array<std::vector<std::uint32_t>, FW_SIDES> numbers_;
};

fw_address_index put_end(Bank& bank, const Classes& classes, const Narrow& narrow,
                         const std::vector<std::uint32_t>& pair_numbers, const Checks& checks, fw_side side,
                         Leaves& leaves);

}  // namespace fwctl::compile
