// The rate of a rule as the programs ask it (include/fwctl/abi/bucket.h).
//
// Promises: the same rule with the same rate has the same identity in every policy, so that its buckets stay.
// The cost of a token is off by less than 2^-18 of it, and by much less but for rates of a terabyte a second.
#pragma once

#include <cstdint>

#include "fwctl/abi/bucket.h"
#include "policy/model.h"

namespace fwctl::compile {

// Of a rule that has a rate; `counter` is the index of its counters.
fw_rate rate_of(const policy::Rule& rule, std::uint32_t counter);

// The page of the map `buckets` where the rule's own bucket lies; those of keyed ones are all the others from
// FW_RULE_BUCKET_PAGES on.
std::uint32_t bucket_page(std::uint32_t counter);

}  // namespace fwctl::compile
