// Ctrl-C and SIGTERM for commands that go on until somebody ends them.
#pragma once

#include <chrono>

namespace fwctl::cli {

// From here on the first signal is noted; a second one ends the process.
void end_when_interrupted();
bool is_interrupted();
// Shorter when a signal comes.
void pause_unless_interrupted(std::chrono::milliseconds time);

}  // namespace fwctl::cli
