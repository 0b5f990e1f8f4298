// Ctrl-C and SIGTERM for commands that go on until somebody ends them.
#pragma once

#include <chrono>

namespace fwctl::cli {

// Whether it ends the process at once, be it while it writes to a pipe that nobody reads.
enum class SecondSignal { kEnds, kIsNoted };

// From here on the first signal is noted.
void end_when_interrupted(SecondSignal second = SecondSignal::kEnds);
bool is_interrupted();
// Shorter when a signal comes, or when there is something to read from `input`.
void pause_unless_interrupted(std::chrono::milliseconds time, int input = -1);

}  // namespace fwctl::cli
