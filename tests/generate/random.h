// Dice for tests and measurements.
//
// Promises: the same seed throws the same with every compiler and library, which
// std::uniform_int_distribution does not. For the same reason no caller throws twice in one expression whose
// order is the compiler's choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace fwctl::generate {

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    // 64 bits.
    std::uint64_t bits() { return engine_(); }
    // 0 to bound - 1. Leans to the small by bound / 2^64: nothing that a test could see.
    std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
    std::uint64_t between(std::uint64_t first, std::uint64_t last) {
        const std::uint64_t count = last - first + 1;
        return count == 0 ? bits() : first + below(count);
    }
    bool percent(unsigned chance) { return below(100) < chance; }

    template <typename Value>
    const Value& pick(const std::vector<Value>& values) {
        return values[below(values.size())];
    }
    template <typename Value, std::size_t kSize>
    const Value& pick(const Value (&values)[kSize]) {
        return values[below(kSize)];
    }

    // Small numbers more often: half of all are in the first eighth or so.
    std::uint64_t skewed_below(std::uint64_t bound) {
        const std::uint64_t one = below(bound);
        const std::uint64_t other = below(one + 1);
        return below(other + 1);
    }

private:
    std::mt19937_64 engine_;
};

}  // namespace fwctl::generate
