// The row of somebody's own rules: files in the format of ClassBench (generate/classbench.h).
//
// Promises: the format has no actions, so every second rule, by its line, lets pass and the others deny: the
// oracle's answers then say which of two neighbours has matched. A packet without flags is a SYN.
#pragma once

#include <string>

#include "base/result.h"
#include "scenario.h"

namespace fwctl::bench {

// The packets of the trace in their order, again and again; without a trace ones at the rules' edges.
Result<Scenario> ruleset(const std::string& rules_file, const std::string& trace_file);

}  // namespace fwctl::bench
