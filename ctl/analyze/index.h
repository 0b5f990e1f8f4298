// Finds the boxes that may meet a box, or hold a packet, among hundreds of thousands.
//
// Trees over the boxes' outlines (their lowest and highest values in each known dimension): each node cuts at
// a value into what lies below, above and across it. Values are kept as their ranks among all the ends of
// boxes, which say as much about how two outlines lie. A list of addresses that lie far apart has several
// outlines.
//
// Promises: visit() leaves no box out that meets what is asked for; it may give others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "analyze/sample.h"
#include "analyze/space.h"

namespace fwctl::analyze {

class BoxIndex {
public:
    // `rule` is a number that visit() can ask a range of.
    struct Entry {
        const Box* box = nullptr;
        std::size_t rule = 0;
    };

    // All have to outlive it. The boxes' values are kept by the space.
    BoxIndex(const std::vector<Entry>& entries, Space& space);

    // The rules first to last - 1. A visit ends after about `most` places: then there may be more.
    struct Limits {
        std::size_t first = 0;
        std::size_t last = 0;
        std::size_t most = 0;
    };

    // Calls found(entry) for those of the rules, in any order, perhaps more than once. What that gives is the
    // new `last`: 0 ends the visit. Gives how many places were looked at: less than `most`, or it was cut
    // short.
    template <typename Asked, typename Found>
    [[nodiscard]] std::size_t visit(const Asked& asked, const Limits& limits, Found found) const {
        Visit<Found> visit{outline_of(asked), limits, found, 0};
        if (!nodes_.empty()) {
            look(visit, nodes_.front());
        }
        return visit.looked_at;
    }

private:
    using Rank = std::int32_t;
    struct Outline {
        std::array<Rank, kKnownDimensions> first{};
        std::array<Rank, kKnownDimensions> last{};
        Kinds kinds = kAllKinds;
    };
    struct Row {
        Outline outline;
        Entry entry;
    };
    struct Node {
        Outline outline;
        std::size_t first_rule = 0;
        std::size_t last_rule = 0;
        std::size_t first_row = 0;
        std::size_t rows = 0;  // 0: not a leaf
        std::array<std::size_t, 3> children{};
        std::size_t child_count = 0;
    };
    template <typename Found>
    struct Visit {
        Outline outline;
        Limits limits;
        Found& found;
        std::size_t looked_at;
    };
    // How rows are cut: where those across the cut begin, and those above it.
    struct Cut {
        std::size_t across = 0;
        std::size_t above = 0;
    };

    // Without a branch, so that compilers compare several dimensions at once.
    static bool meet(const Outline& one, const Outline& other) {
        int apart = static_cast<int>((one.kinds & other.kinds) == 0);
        for (std::size_t i = 0; i < kKnownDimensions; ++i) {
            apart |= static_cast<int>(one.last[i] < other.first[i]) |
                     static_cast<int>(other.last[i] < one.first[i]);
        }
        return apart == 0;
    }

    template <typename Found>
    void look(Visit<Found>& visit, const Node& node) const {
        Limits& limits = visit.limits;
        if (++visit.looked_at >= limits.most || node.last_rule < limits.first ||
            node.first_rule >= limits.last || !meet(node.outline, visit.outline)) {
            return;
        }
        visit.looked_at += node.rows;
        for (std::size_t row = node.first_row; row < node.first_row + node.rows; ++row) {
            const Entry& entry = rows_[row].entry;
            const bool is_asked = limits.first <= entry.rule && entry.rule < limits.last;
            if (is_asked && meet(rows_[row].outline, visit.outline)) {
                limits.last = visit.found(entry, limits.last);
            }
        }
        for (std::size_t child = 0; child < node.child_count; ++child) {
            look(visit, nodes_[node.children[child]]);
        }
    }

    [[nodiscard]] Rank rank_of(Dimension dimension, Number value) const;
    [[nodiscard]] Outline outline_of(const Box& box) const;
    [[nodiscard]] Outline outline_of(const Packet& packet) const;
    void collect_ends(const std::vector<Entry>& entries);
    void add_rows(const Entry& entry);
    std::size_t build(std::size_t first, std::size_t last);
    Cut cut(std::size_t first, std::size_t last);

    Space& space_;
    // By dimension: the lowest values of boxes and the values behind their highest, sorted.
    std::vector<std::vector<Number>> ends_;
    std::vector<Row> rows_;
    std::vector<Node> nodes_;
};

}  // namespace fwctl::analyze
