// What the [attach.NAME] of a policy ask for.
#pragma once

#include <vector>

#include "engine/attach.h"
#include "policy/model.h"

namespace fwctl::engine {

std::vector<AttachRequest> requests_of(const policy::Policy& policy);

}  // namespace fwctl::engine
