// The rows of programs that do next to nothing: what a verdict costs by itself, how far two measurements of
// the same are apart, and what the least costs that a firewall does for each packet.
#pragma once

#include <string>

#include "packets.h"

namespace fwctl::bench {

// Those with `only` in their names, which begin with "bare".
Status measure_bare(Laboratory& laboratory, const std::string& only, Report& report);

}  // namespace fwctl::bench
