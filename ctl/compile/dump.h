// The compiled rules of a policy as text, for those who want to see what became of them: every class of
// addresses, every leaf and every row that a packet can reach (include/fwctl/abi/image.h says how they are
// found).
//
// Promises: the same policy gives the same text, in the order of the addresses in the bank.
#pragma once

#include <string>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::compile {

Result<std::string> dump_image(const policy::Policy& policy);

}  // namespace fwctl::compile
