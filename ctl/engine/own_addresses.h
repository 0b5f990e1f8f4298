// The addresses of this network namespace, as policies have them.
#pragma once

#include <set>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::engine {

Result<std::set<policy::Prefix>> own_addresses();

}  // namespace fwctl::engine
