// The tables of include/fwctl/abi/talkers.h, which a listener brings along.
#pragma once

#include "base/result.h"
#include "kernel/map.h"

namespace fwctl::kernel {

// Empty ones.
Result<Map> make_talker_tables();

}  // namespace fwctl::kernel
