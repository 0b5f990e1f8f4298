// One agent works in each network namespace.
//
//     /run/fwctl/agent-COOKIE.lock     stays when the agent has ended; the lock on it does not
//     /run/fwctl/agent.sock            where it tells metrics; agent-COOKIE.sock in other network namespaces
//                                      than the host's
//
// Promises: the lock ends with the process, however that ends, and is not its children's.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

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

// Where the agent here tells metrics unless it is told otherwise.
Result<std::string> agent_socket();

// The process that is the agent here; nullopt: there is none.
Result<std::optional<pid_t>> running_agent();

}  // namespace fwctl::engine
