#include "analyze/ranges.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace fwctl::analyze {

namespace {

using Position = std::vector<Span>::const_iterator;

bool ends_before(const Span& span, Number value) {
    return span.last < value;
}

// The first span from `from` on that does not end before `value`: steps that double, then halving, so that a
// walk along a large set costs little where it skips much (Bentley and Yao, 1976).
Position seek(Position from, Position end, Number value) {
    std::ptrdiff_t step = 1;
    auto low = from;
    while (end - low > step && (low + step)->last < value) {
        low += step;
        step *= 2;
    }
    const auto high = end - low > step ? low + step + 1 : end;
    return std::lower_bound(low, high, value, ends_before);
}

std::vector<Span> sorted_and_joined(std::vector<Span> spans) {
    const auto starts_earlier = [](const Span& one, const Span& other) { return one.first < other.first; };
    if (!std::is_sorted(spans.begin(), spans.end(), starts_earlier)) {
        std::sort(spans.begin(), spans.end(), starts_earlier);
    }
    std::size_t kept = 0;
    for (const Span& span : spans) {
        // Not `last + 1`, which is 0 behind the highest number.
        if (kept > 0 && (span.first == 0 || span.first - 1 <= spans[kept - 1].last)) {
            spans[kept - 1].last = std::max(spans[kept - 1].last, span.last);
        } else {
            spans[kept++] = span;
        }
    }
    spans.resize(kept);
    return spans;
}

std::size_t hash_of(const Ranges& ranges) {
    std::uint64_t value = ranges.size();
    const auto mix = [&value](Number number) {
        for (const std::uint64_t half :
             {static_cast<std::uint64_t>(number), static_cast<std::uint64_t>(number >> 64)}) {
            value = (value ^ half) * 0x9e3779b97f4a7c15U;
            value ^= value >> 32;
        }
    };
    for (const Span& span : ranges.spans()) {
        mix(span.first);
        mix(span.last);
    }
    return value;
}

}  // namespace

Ranges::Ranges(std::vector<Span> spans) : spans_(sorted_and_joined(std::move(spans))) {}

bool Ranges::contains(Number value) const {
    const auto found = std::lower_bound(spans_.begin(), spans_.end(), value, ends_before);
    return found != spans_.end() && found->first <= value;
}

Ranges Ranges::intersected(const Ranges& other) const {
    const bool is_smaller = size() <= other.size();
    const auto& few = is_smaller ? spans_ : other.spans_;
    const auto& many = is_smaller ? other.spans_ : spans_;
    Ranges result;
    auto at = many.begin();
    for (const Span& span : few) {
        at = seek(at, many.end(), span.first);
        for (; at != many.end() && at->first <= span.last; ++at) {
            result.spans_.push_back({std::max(at->first, span.first), std::min(at->last, span.last)});
            if (at->last >= span.last) {
                break;  // it may reach into the next span too
            }
        }
    }
    return result;
}

Ranges Ranges::without(const Ranges& other) const {
    Ranges result;
    auto at = other.spans_.begin();
    for (const Span& span : spans_) {
        Number first = span.first;
        bool is_rest = true;
        for (at = seek(at, other.spans_.end(), first); at != other.spans_.end() && at->first <= span.last;
             ++at) {
            if (at->first > first) {
                result.spans_.push_back({first, at->first - 1});
            }
            if (at->last >= span.last) {
                is_rest = false;
                break;
            }
            first = at->last + 1;
        }
        if (is_rest) {
            result.spans_.push_back({first, span.last});
        }
    }
    return result;
}

bool Ranges::disjoint(const Ranges& other) const {
    if (empty() || other.empty() || highest() < other.lowest() || other.highest() < lowest()) {
        return true;
    }
    const bool is_smaller = size() <= other.size();
    const auto& few = is_smaller ? spans_ : other.spans_;
    const auto& many = is_smaller ? other.spans_ : spans_;
    auto at = many.begin();
    for (const Span& span : few) {
        at = seek(at, many.end(), span.first);
        if (at == many.end()) {
            return true;
        }
        if (at->first <= span.last) {
            return false;
        }
    }
    return true;
}

bool Ranges::within(const Ranges& other) const {
    if (this == &other || empty()) {
        return true;
    }
    if (other.empty() || lowest() < other.lowest() || highest() > other.highest()) {
        return false;
    }
    auto at = spans_.begin();
    if (other.size() < size()) {  // nothing of it may lie between two of the others' spans
        for (std::size_t i = 1; i < other.size(); ++i) {
            at = seek(at, spans_.end(), other.spans_[i - 1].last + 1);
            if (at != spans_.end() && at->first < other.spans_[i].first) {
                return false;
            }
        }
        return true;
    }
    at = other.spans_.begin();
    return std::all_of(spans_.begin(), spans_.end(), [&](const Span& span) {
        at = seek(at, other.spans_.end(), span.first);
        return at != other.spans_.end() && at->first <= span.first && span.last <= at->last;
    });
}

const Ranges* RangePool::keep(Ranges ranges) {
    const std::size_t hash = hash_of(ranges);
    const auto [first, last] = by_hash_.equal_range(hash);
    const auto known = std::find_if(first, last, [&](const auto& entry) { return *entry.second == ranges; });
    if (known != last) {
        return known->second;
    }
    kept_.push_back(std::move(ranges));
    by_hash_.emplace(hash, &kept_.back());
    return &kept_.back();
}

bool RangePool::disjoint(const Ranges* one, const Ranges* other) {
    constexpr std::size_t kLarge = 8;
    if (one->size() < kLarge || other->size() < kLarge) {
        return one->disjoint(*other);
    }
    const auto [row, is_new] = disjoint_.try_emplace(std::minmax(one, other));
    if (is_new) {
        row->second = one->disjoint(*other);
    }
    return row->second;
}

}  // namespace fwctl::analyze
