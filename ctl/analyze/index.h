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
        const Outline outline = outline_of(asked);
        Visit<Found> visit{front_of(outline), rest_of(outline), limits, found, 0};
        if (!nodes_.empty() && enters(visit, 0)) {
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
    // The same as it is compared: in four dimensions at a time, first those in which most rules lie apart.
    // What kKind says, the kinds say better.
    static constexpr std::size_t kAtOnce = 4;
    struct Four {
        std::array<Rank, kAtOnce> first;
        std::array<Rank, kAtOnce> last;
    };
    static constexpr std::size_t kFours = (kKnownDimensions - 1) / kAtOnce;
    static_assert(kKind == 0 && kFours * kAtOnce == kKnownDimensions - 1);
    using Rest = std::array<Four, kFours - 1>;
    struct Front {
        Four four;
        Kinds kinds;
    };
    struct Row {
        Outline outline;
        Entry entry;
    };
    struct Node {
        Front front;
        std::uint32_t first_rule = 0;
        std::uint32_t last_rule = 0;
        std::uint32_t first_row = 0;
        std::uint32_t rows = 0;  // 0: not a leaf
        std::uint32_t child_count = 0;
        std::array<std::uint32_t, 3> children{};
    };
    struct Leaf {  // a row, where most visits end
        Front front;
        std::uint32_t rule;
    };
    template <typename Found>
    struct Visit {
        Front front;
        Rest rest;
        Limits limits;
        Found& found;
        std::size_t looked_at;
    };
    // How rows are cut: where those across the cut begin, and those above it.
    struct Cut {
        std::size_t across = 0;
        std::size_t above = 0;
    };

    // Negative where they lie apart. Without a branch, so that compilers compare all four at once.
    static Rank nearness(const Four& one, const Four& other) {
        Rank least = 0;
        for (std::size_t i = 0; i < kAtOnce; ++i) {
            least |= (one.last[i] - other.first[i]) | (other.last[i] - one.first[i]);
        }
        return least;
    }
    static bool meet(const Front& one, const Front& other) {
        return (one.kinds & other.kinds) != 0 && nearness(one.four, other.four) >= 0;
    }
    static bool meet(const Rest& one, const Rest& other) {
        Rank least = 0;
        for (std::size_t i = 0; i < one.size(); ++i) {
            least |= nearness(one[i], other[i]);
        }
        return least >= 0;
    }

    template <typename Found>
    bool enters(Visit<Found>& visit, std::size_t node) const {
        const Limits& limits = visit.limits;
        return ++visit.looked_at < limits.most && nodes_[node].last_rule >= limits.first &&
               nodes_[node].first_rule < limits.last && meet(nodes_[node].front, visit.front) &&
               meet(node_rests_[node], visit.rest);
    }

    template <typename Found>
    void look(Visit<Found>& visit, const Node& node) const {
        Limits& limits = visit.limits;
        visit.looked_at += node.rows;
        for (std::size_t row = node.first_row; row < node.first_row + node.rows; ++row) {
            const Leaf& leaf = leaves_[row];
            const bool is_asked = limits.first <= leaf.rule && leaf.rule < limits.last;
            if (is_asked && meet(leaf.front, visit.front) && meet(leaf_rests_[row], visit.rest)) {
                limits.last = visit.found(Entry{boxes_[row], leaf.rule}, limits.last);
            }
        }
        for (std::size_t child = 0; child < node.child_count; ++child) {
            if (enters(visit, node.children[child])) {
                look(visit, nodes_[node.children[child]]);
            }
        }
    }

    [[nodiscard]] Rank rank_of(Dimension dimension, Number value) const;
    [[nodiscard]] Outline outline_of(const Box& box) const;
    [[nodiscard]] Outline outline_of(const Packet& packet) const;
    static Four four_of(const Outline& outline, std::size_t number);
    static Front front_of(const Outline& outline);
    static Rest rest_of(const Outline& outline);
    void collect_ends(const std::vector<Entry>& entries);
    void add_rows(const Entry& entry);
    std::uint32_t build(std::size_t first, std::size_t last);
    Cut cut(std::size_t first, std::size_t last);

    Space& space_;
    // By dimension: the lowest values of boxes and the values behind their highest, sorted.
    std::vector<std::vector<Number>> ends_;
    std::vector<Row> rows_;  // until the tree is built
    // By node, and by row: what is looked at first lies close together.
    std::vector<Node> nodes_;
    std::vector<Rest> node_rests_;
    std::vector<Leaf> leaves_;
    std::vector<Rest> leaf_rests_;
    std::vector<const Box*> boxes_;
};

}  // namespace fwctl::analyze
