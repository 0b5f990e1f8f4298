#include "kernel/tick_clock.h"

#include <ctime>
#include <string_view>

#include "fwctl/abi/state.h"
#include "kernel/helper_program.h"
#include "skeleton/fwctl_clock.skel.h"

namespace fwctl::kernel {
namespace {

constexpr std::string_view kClockProgram = "the program of the clock";

// The resolution of the coarse clocks is a tick.
std::uint64_t nanoseconds_of_a_tick() {
    timespec tick{};
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    return static_cast<std::uint64_t>(tick.tv_nsec);
}

}  // namespace

Result<TickClock> TickClock::read() {
    std::size_t size = 0;
    const void* bytes = fwctl_clock__elf_bytes(&size);
    auto object = load_helper({static_cast<const char*>(bytes), size}, {}, kClockProgram);
    if (!object) return tl::unexpected(object.error());
    const Fd program =
        duplicate(bpf_program__fd(bpf_object__find_program_by_name(object->get(), "fwctl_clock")));
    fw_clock_reading reading{};
    if (auto run = run_helper(program, reading, kClockProgram); !run) return tl::unexpected(run.error());
    return TickClock(reading.ticks, reading.nanoseconds, nanoseconds_of_a_tick());
}

}  // namespace fwctl::kernel
