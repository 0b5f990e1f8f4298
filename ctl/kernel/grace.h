// Waiting for packets that are under way.
#pragma once

#include "base/result.h"

namespace fwctl::kernel {

// Returns once every packet that was being judged when it was called has been judged: what no program can
// find any more may then be written again.
Status wait_for_packets();

}  // namespace fwctl::kernel
