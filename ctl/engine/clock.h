// The clock that deadlines of rules, members and trials are points of.
#pragma once

#include <chrono>
#include <cstdint>

namespace fwctl::engine {

// CLOCK_MONOTONIC in nanoseconds, as programs read it.
std::uint64_t monotonic_now();

// When that clock began, by the time of day as it is set now: as if the machine had never slept.
std::chrono::system_clock::time_point monotonic_began();

}  // namespace fwctl::engine
