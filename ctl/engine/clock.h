// The clock that deadlines of rules, members and trials are points of.
#pragma once

#include <cstdint>

namespace fwctl::engine {

// CLOCK_MONOTONIC in nanoseconds, as programs read it.
std::uint64_t monotonic_now();

}  // namespace fwctl::engine
