// Leaves: the rows of several rules, in their order, cut by protocol and port where there are many.
//
// Promises: the same rows make the same leaf, which is written once. A row that no packet can reach, since
// one before it takes all of its packets, is left out, unless the rows only count.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "compile/bank.h"
#include "fwctl/abi/image.h"

namespace fwctl::compile {

// An address and, in its lowest bits, enum fw_entry_tag; 0: nothing.
using Entry = std::uint32_t;
using RowNumber = std::uint32_t;

class Leaves {
public:
    // `counting`: the rows do not decide, so that none hides another.
    Leaves(Bank& bank, bool counting) : bank_(bank), counting_(counting) {}

    // A row for later use; rows of smaller priority have smaller numbers.
    RowNumber add_row(const fw_row& row);

    // `rows` ascending. Nothing gives 0.
    Entry put(std::span<const RowNumber> rows);
    // The same for rows that every packet asks: already cut by protocol.
    fw_kinds put_by_kind(std::span<const RowNumber> rows);

private:
    struct Hash {
        std::size_t operator()(const std::vector<RowNumber>& rows) const;
    };

    Entry put_cut(const std::vector<RowNumber>& rows);
    Entry put_kinds(const std::vector<RowNumber>& rows);
    Entry put_tree_of(const std::vector<RowNumber>& rows);
    Entry put_rows(const std::vector<RowNumber>& rows);
    [[nodiscard]] std::vector<RowNumber> of_kind(std::span<const RowNumber> rows, std::size_t kind) const;
    [[nodiscard]] std::vector<RowNumber> without_useless(std::span<const RowNumber> rows) const;

    Bank& bank_;
    bool counting_;
    std::vector<fw_row> rows_;
    std::unordered_map<std::vector<RowNumber>, Entry, Hash> cut_;
    std::unordered_map<std::vector<RowNumber>, Entry, Hash> plain_;
};

}  // namespace fwctl::compile
