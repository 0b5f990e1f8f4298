#include "observe/sampling.h"

#include <algorithm>

namespace fwctl::observe {

bool Sampling::takes(std::uint64_t kind) {
    ++heard_;
    const std::size_t left = kShown - shown_;
    if (left == 0) return false;
    std::size_t& of_kind = by_kind_[kind];
    if (of_kind >= left) return false;
    ++of_kind;
    ++shown_;
    return true;
}

std::uint64_t Sampling::more(std::uint64_t lost) const {
    return (heard_ + lost) * one_of_ - shown_;
}

Sampling Sampling::next(std::uint64_t lost) const {
    constexpr std::uint64_t kMost = 1'000'000;
    return Sampling(
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>((heard_ + lost) * one_of_ / kHeard, 1, kMost)));
}

}  // namespace fwctl::observe
