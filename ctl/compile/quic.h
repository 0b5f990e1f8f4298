// The server ids of a service's backends become a hash table: include/fwctl/abi/quic.h.
//
// Promises: pure; every id is found within FW_SERVER_PROBES places.
#pragma once

#include "compile/bank.h"
#include "compile/numbers.h"
#include "policy/model.h"

namespace fwctl::compile {

// The address of a struct fw_quic; 0 where the vip asks for none.
Address put_quic(const policy::Vip& vip, const Numbers& numbers, Bank& bank);

}  // namespace fwctl::compile
