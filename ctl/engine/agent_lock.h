// One agent works in each network namespace.
//
//     /run/fwctl/agent-COOKIE.lock     stays when the agent has ended; the lock on it does not
//
// Promises: the lock ends with the process, however that ends, and is not its children's.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/fd.h"
#include "base/result.h"

namespace fwctl::engine {

class AgentLock {
public:
    // An error with Exit::kConflict that names the process where there is one already.
    static Result<AgentLock> acquire();

private:
    explicit AgentLock(Fd file) : file_(std::move(file)) {}

    Fd file_;
};

// The process that is the agent here; nullopt: there is none.
Result<std::optional<pid_t>> running_agent();

}  // namespace fwctl::engine
