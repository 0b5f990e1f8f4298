// The ticks by which programs note when something happened: jiffies, which cost a packet nothing.
//
// Promises: a time that is told is at most two ticks, 20 ms or less, earlier than it was, and never later.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace fwctl::kernel {

class TickClock {
public:
    // Runs xdp/fwctl_clock.bpf.c. One reading is for good: ticks and CLOCK_MONOTONIC go alike.
    static Result<TickClock> read();
    TickClock() = default;
    TickClock(std::uint64_t ticks, std::uint64_t nanoseconds, std::uint64_t tick)
        : ticks_(ticks), nanoseconds_(nanoseconds), tick_(tick) {}

    // Nanoseconds of CLOCK_MONOTONIC.
    [[nodiscard]] std::uint64_t time_of(std::uint64_t ticks) const {
        return nanoseconds_ + (ticks - ticks_ - 1) * tick_;  // as numbers that come around
    }

private:
    std::uint64_t ticks_ = 0;
    std::uint64_t nanoseconds_ = 0;  // when these were read
    std::uint64_t tick_ = 0;         // nanoseconds of one
};

}  // namespace fwctl::kernel
