// What applying a policy means for the members of the dynamic sets that hold.
//
// Promises: members are counted only where it matters, and nothing is changed.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "base/result.h"
#include "engine/store.h"
#include "policy/model.h"

namespace fwctl::engine {

// Of each dynamic set that the next policy has not, or no longer as a dynamic one: how many members go with
// it.
Result<std::map<std::string, std::size_t>> lost_members(const Store& store, const policy::Policy& next);

// An error when a set has more members than the next policy lets it have: new ones would push them out.
Status check_sizes(const Store& store, const policy::Policy& next);

}  // namespace fwctl::engine
