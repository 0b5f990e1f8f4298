// How many new flows go elsewhere when the backends of a service change.
//
// Promises: pure; exact, for rings of different sizes too.
#pragma once

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::compile {

// From 0 to 1: of all values of the flows' hash those whose slot has another backend. An error when there are
// too many backends.
Result<double> moved_share(const policy::Vip& before, const policy::Vip& after);

}  // namespace fwctl::compile
