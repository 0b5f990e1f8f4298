// Sets of numbers as closed spans: the values that one part of a packet may have, addresses among them.
//
// Promises: values; spans are sorted and neither overlap nor touch, so that equal sets compare equal.
#pragma once

#include <vector>

namespace fwctl::importer {

// Wide enough for an IPv6 address.
__extension__ typedef unsigned __int128 Number;  // NOLINT(modernize-use-using): no other form is extensible

struct Span {
    Number first = 0;
    Number last = 0;
    bool operator==(const Span&) const = default;
};

class Numbers {
public:
    Numbers() = default;  // none
    explicit Numbers(std::vector<Span> spans);
    static Numbers between(Number first, Number last) { return Numbers({{first, last}}); }
    static Numbers one(Number value) { return between(value, value); }

    [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
    [[nodiscard]] bool empty() const { return spans_.empty(); }
    [[nodiscard]] bool contains(Number value) const;
    [[nodiscard]] bool covers(const Numbers& other) const { return both(other) == other; }

    [[nodiscard]] Numbers both(const Numbers& other) const;
    [[nodiscard]] Numbers either(const Numbers& other) const;
    // What is not in it, from 0 to `largest`.
    [[nodiscard]] Numbers outside(Number largest) const;

    bool operator==(const Numbers&) const = default;

private:
    std::vector<Span> spans_;
};

}  // namespace fwctl::importer
