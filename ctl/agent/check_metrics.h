// The agent's own checks, as metrics.
#pragma once

#include "agent/check_stats.h"
#include "observe/exposition.h"

namespace fwctl::agent {

void tell_checks(const CheckStats& checks, observe::Exposition& text);

}  // namespace fwctl::agent
