#include "policy/analyze_index.h"

#include <algorithm>

namespace fwctl::policy::analysis {

namespace {

constexpr std::size_t kLeafRows = 8;

}  // namespace

BoxIndex::BoxIndex(std::vector<Entry> entries, const Space& space) : space_(space) {
    rows_.reserve(entries.size());
    for (const Entry& entry : entries) {
        rows_.push_back({outline_of(*entry.box), entry});
    }
    if (!rows_.empty()) {
        build(0, rows_.size());
    }
}

BoxIndex::Outline BoxIndex::outline_of(const Box& box) const {
    Outline outline;
    for (std::size_t i = 0; i < kDimensions.size(); ++i) {
        const auto part = std::find_if(box.begin(), box.end(), [&](const Part& candidate) {
            return candidate.dimension == kDimensions[i];
        });
        const Ranges& values = part == box.end() ? *space_.everything(kDimensions[i]) : *part->values;
        outline[i] = {values.lowest(), values.highest()};
    }
    return outline;
}

// Tries the middle of each dimension and takes the one whose largest piece is smallest. A cut that leaves
// nearly all in one piece is none: the tree stays shallow.
BoxIndex::Cut BoxIndex::cut(std::size_t first, std::size_t last) {
    const std::size_t count = last - first;
    std::size_t best_size = count - count / 8;
    bool has_cut = false;
    std::size_t best_dimension = 0;
    Number best_value = 0;
    std::vector<Number> middles(count);
    for (std::size_t dimension = 0; dimension < kDimensions.size(); ++dimension) {
        const auto span = [&](std::size_t row) -> const Span& { return rows_[row].outline[dimension]; };
        for (std::size_t row = first; row < last; ++row) {
            middles[row - first] = span(row).first + (span(row).last - span(row).first) / 2;
        }
        const auto median = middles.begin() + static_cast<std::ptrdiff_t>(count / 2);
        std::nth_element(middles.begin(), median, middles.end());
        std::array<std::size_t, 3> sizes{};
        for (std::size_t row = first; row < last; ++row) {
            ++sizes[span(row).last < *median ? 0 : span(row).first > *median ? 2 : 1];
        }
        const std::size_t largest = *std::max_element(sizes.begin(), sizes.end());
        if (largest < best_size) {
            has_cut = true;
            best_size = largest;
            best_dimension = dimension;
            best_value = *median;
        }
    }
    if (!has_cut) {
        return {first, last};  // all of them across
    }
    const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = rows_.begin() + static_cast<std::ptrdiff_t>(last);
    const auto across = std::partition(
        begin, end, [&](const Row& row) { return row.outline[best_dimension].last < best_value; });
    const auto above = std::partition(
        across, end, [&](const Row& row) { return row.outline[best_dimension].first <= best_value; });
    return {static_cast<std::size_t>(across - rows_.begin()),
            static_cast<std::size_t>(above - rows_.begin())};
}

std::size_t BoxIndex::build(std::size_t first, std::size_t last) {
    Node node{rows_[first].outline, rows_[first].entry.rule, rows_[first].entry.rule, first, 0, {}, 0};
    for (std::size_t row = first; row < last; ++row) {
        node.first_rule = std::min(node.first_rule, rows_[row].entry.rule);
        node.last_rule = std::max(node.last_rule, rows_[row].entry.rule);
        for (std::size_t i = 0; i < node.outline.size(); ++i) {
            node.outline[i].first = std::min(node.outline[i].first, rows_[row].outline[i].first);
            node.outline[i].last = std::max(node.outline[i].last, rows_[row].outline[i].last);
        }
    }
    const std::size_t at = nodes_.size();
    nodes_.push_back(node);
    const Cut cuts = last - first > kLeafRows ? cut(first, last) : Cut{first, last};
    if (cuts.across == first && cuts.above == last) {
        nodes_[at].rows = last - first;
        return at;
    }
    const std::array<std::size_t, 4> bounds = {first, cuts.across, cuts.above, last};
    for (std::size_t piece = 0; piece + 1 < bounds.size(); ++piece) {
        if (bounds[piece] < bounds[piece + 1]) {
            const std::size_t child = build(bounds[piece], bounds[piece + 1]);
            nodes_[at].children[nodes_[at].child_count++] = child;
        }
    }
    return at;
}

}  // namespace fwctl::policy::analysis
