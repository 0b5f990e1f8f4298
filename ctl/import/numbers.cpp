#include "import/numbers.h"

#include <algorithm>
#include <utility>

namespace fwctl::importer {

Numbers::Numbers(std::vector<Span> spans) {
    std::sort(spans.begin(), spans.end(),
              [](const Span& one, const Span& other) { return one.first < other.first; });
    for (const Span& span : spans) {
        Span* last = spans_.empty() ? nullptr : &spans_.back();
        if (last != nullptr && (span.first <= last->last || span.first - 1 == last->last)) {
            last->last = std::max(last->last, span.last);
        } else {
            spans_.push_back(span);
        }
    }
}

bool Numbers::contains(Number value) const {
    return std::any_of(spans_.begin(), spans_.end(),
                       [value](const Span& span) { return span.first <= value && value <= span.last; });
}

Numbers Numbers::both(const Numbers& other) const {
    Numbers result;
    auto one = spans_.begin();
    auto two = other.spans_.begin();
    while (one != spans_.end() && two != other.spans_.end()) {
        const Span shared{std::max(one->first, two->first), std::min(one->last, two->last)};
        if (shared.first <= shared.last) {
            result.spans_.push_back(shared);
        }
        (one->last < two->last ? one : two)++;
    }
    return result;
}

Numbers Numbers::either(const Numbers& other) const {
    std::vector<Span> spans = spans_;
    spans.insert(spans.end(), other.spans_.begin(), other.spans_.end());
    return Numbers(std::move(spans));
}

Numbers Numbers::outside(Number largest) const {
    Numbers result;
    Number next = 0;
    for (const Span& span : spans_) {
        if (span.first > largest) {
            break;
        }
        if (span.first > next) {
            result.spans_.push_back({next, span.first - 1});
        }
        if (span.last >= largest) {
            return result;
        }
        next = span.last + 1;
    }
    result.spans_.push_back({next, largest});
    return result;
}

}  // namespace fwctl::importer
