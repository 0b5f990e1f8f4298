// The rows of the control plane: what it takes to compile and publish a policy, and one live edit beside it.
#pragma once

#include "base/result.h"
#include "report.h"
#include "subject.h"

namespace fwctl::bench {

Status measure_control(Subject& subject, bool quick, Report& report);

}  // namespace fwctl::bench
