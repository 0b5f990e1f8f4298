// Services and their backends, as metrics.
#pragma once

#include <vector>

#include "observe/counts.h"
#include "observe/exposition.h"
#include "policy/model.h"

namespace fwctl::observe {

// `vips`: as they are; what was added or removed between the two readings is left out.
void tell_backends(const Counts& counts, const std::vector<policy::Vip>& vips, Exposition& text);

}  // namespace fwctl::observe
