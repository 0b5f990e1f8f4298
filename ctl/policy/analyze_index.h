// Finds the boxes that may meet a box, among hundreds of thousands.
//
// A tree over the boxes' outlines (their lowest and highest values) in the dimensions that tell rules apart:
// each node cuts at a value into what lies below, above and across it.
//
// Promises: visit() leaves no box out that meets the one asked for; it may give others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "policy/analyze_space.h"

namespace fwctl::policy::analysis {

class BoxIndex {
public:
    // `rule` is a number that visit() can ask a range of.
    struct Entry {
        const Box* box = nullptr;
        std::size_t rule = 0;
    };

    // The boxes have to outlive it.
    BoxIndex(std::vector<Entry> entries, const Space& space);

    // Calls found(entry) for those of the rules first to last - 1. Gives how many places were looked at.
    template <typename Found>
    std::size_t visit(const Box& box, std::size_t first, std::size_t last, Found found) const {
        return nodes_.empty() ? 0 : visit(0, outline_of(box), first, last, found);
    }

private:
    static constexpr std::array kDimensions = {kKind,     kSource,    kDestination, kSelector,
                                               kProtocol, kInterface, kVlan,        kMac};
    using Outline = std::array<Span, kDimensions.size()>;
    struct Row {
        Outline outline;
        Entry entry;
    };
    struct Node {
        Outline outline;
        std::size_t first_rule = 0;
        std::size_t last_rule = 0;
        std::size_t first_row = 0;  // of a leaf
        std::size_t rows = 0;       // 0: not a leaf
        std::array<std::size_t, 3> children{};
        std::size_t child_count = 0;
    };

    static bool meet(const Outline& one, const Outline& other) {
        for (std::size_t i = 0; i < one.size(); ++i) {
            if (one[i].last < other[i].first || other[i].last < one[i].first) {
                return false;
            }
        }
        return true;
    }

    template <typename Found>
    std::size_t visit(std::size_t at, const Outline& outline, std::size_t first, std::size_t last,
                      Found& found) const {
        const Node& node = nodes_[at];
        if (node.last_rule < first || node.first_rule >= last || !meet(node.outline, outline)) {
            return 1;
        }
        std::size_t looked_at = 1 + node.rows;
        for (std::size_t row = node.first_row; row < node.first_row + node.rows; ++row) {
            const Entry& entry = rows_[row].entry;
            if (first <= entry.rule && entry.rule < last && meet(rows_[row].outline, outline)) {
                found(entry);
            }
        }
        for (std::size_t child = 0; child < node.child_count; ++child) {
            looked_at += visit(node.children[child], outline, first, last, found);
        }
        return looked_at;
    }

    [[nodiscard]] Outline outline_of(const Box& box) const;
    std::size_t build(std::size_t first, std::size_t last);
    // How the rows are cut: where those across the cut begin, and those above it.
    struct Cut {
        std::size_t across = 0;
        std::size_t above = 0;
    };
    Cut cut(std::size_t first, std::size_t last);

    const Space& space_;
    std::vector<Row> rows_;
    std::vector<Node> nodes_;  // the first is the root
};

}  // namespace fwctl::policy::analysis
