// Gives up what the page does not need: it answers strangers.
#pragma once

#include <string>

#include "base/result.h"

namespace fwctl::page {

// The process is nobody from then on, of the group that may use the agent's socket, and can become nothing
// else. Who is not root stays who he is. An error with Exit::kNoPrivilege when the socket is root's alone.
Status give_up_privilege(const std::string& socket);

}  // namespace fwctl::page
