// Asks the agent, by its socket.
#pragma once

#include <string>

#include "base/result.h"

namespace fwctl::page {

// What it says of its state; waits for kPatience at most.
Result<std::string> ask_agent(const std::string& socket);

}  // namespace fwctl::page
