// When a target is checked: so that a thousand of them are spread over their period, and stay so.
//
// Promises: pure; the same seed draws the same times.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace fwctl::agent {

using Time = std::chrono::steady_clock::time_point;

class Pace {
public:
    explicit Pace(std::uint64_t seed) : random_(seed) {}

    // Of a new target: anywhere within one period from now.
    Time first(Time now, std::chrono::milliseconds every);

    // Behind a check that has ended now: one period, more or less a tenth, after it began. A check that took
    // longer than that is followed at once; turns that were missed are not made up for.
    Time next(Time began, Time now, std::chrono::milliseconds every);

private:
    std::mt19937_64 random_;
};

}  // namespace fwctl::agent
