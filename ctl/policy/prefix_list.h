// Lists of address blocks, a million and more of them.
//
// Promises: reduce() takes O(n log n), is_covered() O(log n). A list is reduced when it is sorted as Prefix
// compares (family, length, address) and no block lies in another.
#pragma once

#include <vector>

#include "policy/model.h"

namespace fwctl::policy {

// Leaves the blocks that cover all the others. Neighbours stay apart: people know their blocks by name.
void reduce(std::vector<Prefix>& prefixes);

// Whether a block of the reduced list covers `inner`.
bool is_covered(const std::vector<Prefix>& reduced, const Prefix& inner);

// Appends the fewest blocks that make the addresses `first` to `last`, single ones of one family and not
// backwards.
void append_range(const Prefix& first, const Prefix& last, std::vector<Prefix>& prefixes);

}  // namespace fwctl::policy
