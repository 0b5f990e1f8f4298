#include "engine/clock.h"

#include <ctime>

namespace fwctl::engine {

std::uint64_t monotonic_now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::chrono::system_clock::time_point monotonic_began() {
    return std::chrono::system_clock::now() - std::chrono::nanoseconds(monotonic_now());
}

}  // namespace fwctl::engine
