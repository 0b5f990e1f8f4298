// How many rounds a random comparison takes: of those that are usual, FWCTL_ROUNDS percent, and one at least.
// Where the processor is emulated, all would take hours.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace fwctl::testing {

inline int rounds(int usual) {
    const char* percent = std::getenv("FWCTL_ROUNDS");
    return percent == nullptr ? usual : std::max(1, usual * std::atoi(percent) / 100);
}

}  // namespace fwctl::testing
