#include "analyze/index.h"

#include <algorithm>

namespace fwctl::analyze {

namespace {

constexpr std::size_t kLeafRows = 8;
constexpr std::size_t kPieces = 8;  // of a list of addresses

const Ranges* values_in(const Box& box, Dimension dimension) {
    const auto part = std::find_if(box.begin(), box.end(),
                                   [dimension](const Part& known) { return known.dimension == dimension; });
    return part == box.end() ? nullptr : part->values;
}

Kinds kinds_in(const Ranges& values) {
    Kinds kinds = 0;
    for (const Span& span : values.spans()) {
        for (Number kind = span.first; kind <= span.last; ++kind) {
            kinds |= 1U << static_cast<unsigned>(kind);
        }
    }
    return kinds;
}

}  // namespace

BoxIndex::BoxIndex(const std::vector<Entry>& entries, Space& space) : space_(space), ends_(kKnownDimensions) {
    collect_ends(entries);
    for (const Entry& entry : entries) {
        add_rows(entry);
    }
    if (!rows_.empty()) {
        build(0, rows_.size());
    }
    for (const Row& row : rows_) {
        leaves_.push_back({front_of(row.outline), static_cast<std::uint32_t>(row.entry.rule)});
        leaf_rests_.push_back(rest_of(row.outline));
        boxes_.push_back(row.entry.box);
    }
    std::vector<Row>().swap(rows_);
}

BoxIndex::Four BoxIndex::four_of(const Outline& outline, std::size_t number) {
    Four four;
    for (std::size_t i = 0; i < kAtOnce; ++i) {
        four.first[i] = outline.first[1 + number * kAtOnce + i];
        four.last[i] = outline.last[1 + number * kAtOnce + i];
    }
    return four;
}

BoxIndex::Front BoxIndex::front_of(const Outline& outline) {
    return {four_of(outline, 0), outline.kinds};
}

BoxIndex::Rest BoxIndex::rest_of(const Outline& outline) {
    return {four_of(outline, 1), four_of(outline, 2), four_of(outline, 3)};
}

void BoxIndex::collect_ends(const std::vector<Entry>& entries) {
    const auto add = [this](Dimension dimension, const Span& span) {
        ends_[dimension].push_back(span.first);
        if (span.last < space_.everything(dimension)->highest()) {
            ends_[dimension].push_back(span.last + 1);
        }
    };
    for (const Entry& entry : entries) {
        for (const Part& part : *entry.box) {
            if (part.dimension < kKnownDimensions) {
                add(part.dimension, {part.values->lowest(), part.values->highest()});
            }
        }
    }
    for (auto& ends : ends_) {
        std::sort(ends.begin(), ends.end());
        ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    }
}

// A list of addresses that lie far apart is not one outline but several.
void BoxIndex::add_rows(const Entry& entry) {
    std::vector<Outline> outlines = {outline_of(*entry.box)};
    for (const Dimension side : {kSource, kDestination}) {
        const Ranges* values = values_in(*entry.box, side);
        if (values == nullptr) {
            continue;
        }
        const auto& spans = values->spans();
        const std::size_t pieces = std::min(kPieces, spans.size());
        std::vector<Outline> cut;
        for (const Outline& outline : outlines) {
            for (std::size_t piece = 0; piece < pieces; ++piece) {
                cut.push_back(outline);
                cut.back().first[side] = rank_of(side, spans[spans.size() * piece / pieces].first);
                cut.back().last[side] = rank_of(side, spans[spans.size() * (piece + 1) / pieces - 1].last);
            }
        }
        outlines = std::move(cut);
    }
    for (const Outline& outline : outlines) {
        rows_.push_back({outline, entry});
    }
}

BoxIndex::Rank BoxIndex::rank_of(Dimension dimension, Number value) const {
    const auto& ends = ends_[dimension];
    return static_cast<Rank>(std::upper_bound(ends.begin(), ends.end(), value) - ends.begin());
}

BoxIndex::Outline BoxIndex::outline_of(const Box& box) const {
    Outline outline;
    for (Dimension dimension = 0; dimension < kKnownDimensions; ++dimension) {
        outline.last[dimension] = static_cast<Rank>(ends_[dimension].size());
    }
    for (const Part& part : box) {
        if (part.dimension < kKnownDimensions) {
            outline.first[part.dimension] = rank_of(part.dimension, part.values->lowest());
            outline.last[part.dimension] = rank_of(part.dimension, part.values->highest());
        }
        if (part.dimension == kKind) {
            outline.kinds = kinds_in(*part.values);
        }
    }
    return outline;
}

BoxIndex::Outline BoxIndex::outline_of(const Packet& packet) const {
    Outline outline;
    for (Dimension dimension = 0; dimension < kKnownDimensions; ++dimension) {
        outline.first[dimension] = rank_of(dimension, packet[dimension]);
    }
    outline.last = outline.first;
    outline.kinds = kinds_in(Ranges(packet[kKind], packet[kKind]));
    return outline;
}

// Tries the middle of each dimension and takes the one whose largest piece is smallest. A cut that leaves
// nearly all in one piece is none: the tree stays shallow.
BoxIndex::Cut BoxIndex::cut(std::size_t first, std::size_t last) {
    const std::size_t count = last - first;
    std::size_t best_size = count - count / 8;
    bool has_cut = false;
    std::size_t best = 0;
    Rank best_value = 0;
    std::vector<Rank> middles(count);
    for (std::size_t dimension = 0; dimension < kKnownDimensions; ++dimension) {
        for (std::size_t row = first; row < last; ++row) {
            const Outline& outline = rows_[row].outline;
            middles[row - first] =
                outline.first[dimension] + (outline.last[dimension] - outline.first[dimension]) / 2;
        }
        const auto median = middles.begin() + static_cast<std::ptrdiff_t>(count / 2);
        std::nth_element(middles.begin(), median, middles.end());
        std::array<std::size_t, 3> sizes{};
        for (std::size_t row = first; row < last; ++row) {
            const Outline& outline = rows_[row].outline;
            ++sizes[outline.last[dimension] < *median ? 0 : outline.first[dimension] > *median ? 2 : 1];
        }
        const std::size_t largest = *std::max_element(sizes.begin(), sizes.end());
        if (largest < best_size) {
            has_cut = true;
            best_size = largest;
            best = dimension;
            best_value = *median;
        }
    }
    if (!has_cut) {
        return {first, last};  // all of them across
    }
    const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = rows_.begin() + static_cast<std::ptrdiff_t>(last);
    const auto across =
        std::partition(begin, end, [&](const Row& row) { return row.outline.last[best] < best_value; });
    const auto above =
        std::partition(across, end, [&](const Row& row) { return row.outline.first[best] <= best_value; });
    return {static_cast<std::size_t>(across - rows_.begin()),
            static_cast<std::size_t>(above - rows_.begin())};
}

std::uint32_t BoxIndex::build(std::size_t first, std::size_t last) {
    Outline outline = rows_[first].outline;
    std::size_t first_rule = rows_[first].entry.rule;
    std::size_t last_rule = first_rule;
    for (std::size_t row = first; row < last; ++row) {
        const Outline& of_row = rows_[row].outline;
        first_rule = std::min(first_rule, rows_[row].entry.rule);
        last_rule = std::max(last_rule, rows_[row].entry.rule);
        for (std::size_t i = 0; i < kKnownDimensions; ++i) {
            outline.first[i] = std::min(outline.first[i], of_row.first[i]);
            outline.last[i] = std::max(outline.last[i], of_row.last[i]);
        }
        outline.kinds |= of_row.kinds;
    }
    const auto at = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({front_of(outline),
                      static_cast<std::uint32_t>(first_rule),
                      static_cast<std::uint32_t>(last_rule),
                      static_cast<std::uint32_t>(first),
                      0,
                      0,
                      {}});
    node_rests_.push_back(rest_of(outline));
    const Cut cuts = last - first > kLeafRows ? cut(first, last) : Cut{first, last};
    if (cuts.across == first && cuts.above == last) {
        nodes_[at].rows = static_cast<std::uint32_t>(last - first);
        return at;
    }
    const std::array<std::size_t, 4> bounds = {first, cuts.across, cuts.above, last};
    for (std::size_t piece = 0; piece + 1 < bounds.size(); ++piece) {
        if (bounds[piece] < bounds[piece + 1]) {
            const std::uint32_t child = build(bounds[piece], bounds[piece + 1]);
            nodes_[at].children[nodes_[at].child_count++] = child;
        }
    }
    // The first rules first: who looks for the first that holds a packet may end early.
    const auto children = nodes_[at].children.begin();
    std::sort(children, children + static_cast<std::ptrdiff_t>(nodes_[at].child_count),
              [this](std::uint32_t one, std::uint32_t other) {
                  return nodes_[one].first_rule < nodes_[other].first_rule;
              });
    return at;
}

}  // namespace fwctl::analyze
