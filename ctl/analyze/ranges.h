// Sets of numbers as sorted ranges: what the analysis computes with, for addresses as for ports.
//
// Promises: every Ranges is canonical (sorted, no two ranges touch), so that equal sets have equal spans.
// Operations on a small and a large set take time in the small one, but for the result that they write.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fwctl::analyze {

__extension__ using Number = unsigned __int128;  // an address of either family; no standard type is as wide

struct Span {
    Number first = 0;
    Number last = 0;
    auto operator<=>(const Span&) const = default;
};

class Ranges {
public:
    Ranges() = default;
    Ranges(Number first, Number last) : spans_{{first, last}} {}
    // In any order, overlapping or not.
    explicit Ranges(std::vector<Span> spans);

    [[nodiscard]] bool empty() const { return spans_.empty(); }
    [[nodiscard]] std::size_t size() const { return spans_.size(); }
    [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
    // Of one that is not empty.
    [[nodiscard]] Number lowest() const { return spans_.front().first; }
    [[nodiscard]] Number highest() const { return spans_.back().last; }
    [[nodiscard]] bool contains(Number value) const;
    bool operator==(const Ranges&) const = default;

    [[nodiscard]] Ranges intersected(const Ranges& other) const;
    [[nodiscard]] Ranges without(const Ranges& other) const;
    [[nodiscard]] bool disjoint(const Ranges& other) const;
    [[nodiscard]] bool within(const Ranges& other) const;

private:
    std::vector<Span> spans_;
};

// Keeps sets, one of each: two that are equal have the same address. Remembers which of the large ones are
// disjoint.
class RangePool {
public:
    const Ranges* keep(Ranges ranges);
    // Both of this pool.
    bool disjoint(const Ranges* one, const Ranges* other);

private:
    struct PairHash {
        std::size_t operator()(const std::pair<const Ranges*, const Ranges*>& pair) const {
            const std::hash<const Ranges*> hash;
            return hash(pair.first) * 31 + hash(pair.second);
        }
    };
    std::unordered_map<std::pair<const Ranges*, const Ranges*>, bool, PairHash> disjoint_;
    std::deque<Ranges> kept_;
    std::unordered_multimap<std::size_t, const Ranges*> by_hash_;
};

}  // namespace fwctl::analyze
