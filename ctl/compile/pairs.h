// The hash table of narrow pairs (struct fw_bucket).
#pragma once

#include <cstdint>
#include <vector>

#include "compile/bank.h"
#include "fwctl/abi/policy.h"

namespace fwctl::compile {

// Every pair once. Sets `pairs` and `pair_mask` of the tier; the table is as small as FW_PAIR_PROBES allows.
void put_pairs(Bank& bank, const std::vector<fw_pair>& pairs, fw_tier& tier);

}  // namespace fwctl::compile
