// Ctrl-C and SIGTERM for commands that go on until somebody ends them.
#pragma once

#include <chrono>

namespace fwctl::cli {

// What they do beside being counted.
enum class OnSignal {
    kEndsAtSecond,  // writing goes on, as half a line helps nobody; a second one ends the process at once
    kGoesOn,        // writing goes on, and so does the process, which has to put its terminal right;
                    // SIGHUP is counted, too
    kInterruptsWriting,  // a pipe that nobody reads keeps nobody; the process goes on to its last words
};

void end_when_interrupted(OnSignal on_signal);
int times_interrupted();
// Shorter when a signal comes, or when there is something to read from `input`.
void pause_unless_interrupted(std::chrono::milliseconds time, int input = -1);

}  // namespace fwctl::cli
