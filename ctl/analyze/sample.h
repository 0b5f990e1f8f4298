// Single packets, drawn to answer by example what would take long to prove.
//
// Promises: the same draws on every machine.
#pragma once

#include <cstdint>
#include <vector>

#include "analyze/space.h"

namespace fwctl::analyze {

// SplitMix64 (Steele, Lea and Flood, 2014), always from the same seed.
class Dice {
public:
    std::uint64_t operator()() {
        std::uint64_t value = state_ += 0x9e3779b97f4a7c15U;
        value = (value ^ value >> 30U) * 0xbf58476d1ce4e5b9U;
        value = (value ^ value >> 27U) * 0x94d049bb133111ebU;
        return value ^ value >> 31U;
    }

private:
    std::uint64_t state_ = 0;
};

// A number of the set, half of the time at the edge of a range.
Number any_of(const Ranges& values, Dice& dice);

// A value for each dimension.
using Packet = std::vector<Number>;

bool holds(const Box& box, const Packet& packet);

class Sampler {
public:
    // Both have to outlive it.
    Sampler(const Space& space, const Box& box);

    // Whether the box has packets at all.
    [[nodiscard]] bool has_packets() const { return !kinds_.empty(); }
    Packet draw(Dice& dice) const;

private:
    const Space& space_;
    const Box& box_;
    std::vector<const Box*> kinds_;  // of Space::packets() those that meet the box
};

}  // namespace fwctl::analyze
