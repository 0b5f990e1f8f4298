// Which block of a set has an address.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/store.h"
#include "policy/model.h"

namespace fwctl::engine {

// The block of a reduced list (policy/prefix_list.h); there is one at most.
std::optional<policy::Prefix> find_covering(const std::vector<policy::Prefix>& reduced,
                                            const policy::Prefix& address);

// The narrowest member of a dynamic set whose time is not over, as the programs find it.
std::optional<policy::Prefix> find_member(const Store& store, const MainTier& main, const std::string& set,
                                          const policy::Prefix& address);

}  // namespace fwctl::engine
