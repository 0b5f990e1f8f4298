// What the process of agent/reporter.h does: it answers, and tells the journal of bans and applied policies.
#pragma once

#include <vector>

#include "agent/check_stats.h"
#include "base/result.h"
#include "base/server_settings.h"

namespace fwctl::agent {

// Comes back with an error alone. `sockets`: that are listened on.
Status report(const ServerSettings& settings, const std::vector<int>& sockets, const CheckStats& checks);

}  // namespace fwctl::agent
