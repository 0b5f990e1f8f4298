// The index of one end (struct fw_address_index): from an address to what stands for its class.
//
// Promises: `values` holds, by class, an address whose lowest bit is not set; 0 where no rule holds.
#pragma once

#include <span>

#include "compile/bank.h"
#include "compile/classes.h"
#include "fwctl/abi/policy.h"

namespace fwctl::compile {

fw_address_index put_address_index(Bank& bank, const Classes& classes, std::span<const Address> values);

}  // namespace fwctl::compile
