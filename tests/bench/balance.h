// The rows of balancing: what a packet costs that goes to a backend, or that none of the services is for.
//
// Promises: a row whose packets do not leave as its service says is an error, not a figure. All the rows are
// of one host that balances: it is loaded when the first of them is measured, and stays for the next round.
#pragma once

#include <optional>
#include <string>

#include "balancer.h"
#include "packets.h"

namespace fwctl::bench {

// One round of those with `only` in their names; `quick`: few of them.
Status measure_balance(Laboratory& laboratory, std::optional<Balancer>& balancer, bool quick,
                       const std::string& only, Report& report);

}  // namespace fwctl::bench
