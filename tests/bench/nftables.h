// The same policies loaded by `nft -f`, in a network namespace of its own.
#pragma once

#include <string>

#include "base/result.h"
#include "policy/model.h"
#include "report.h"

namespace fwctl::bench::nftables {

bool installed();

// Rules of five-tuples and sets alone. `name` for the report.
Status load(const policy::Policy& policy, const std::string& name, Report& report);

}  // namespace fwctl::bench::nftables
