// What changes from one policy to another, in words.
//
// Promises: nothing is said when the two say the same, wherever it is written. A rule keeps its identity by
// its name; of rules that changed places the fewest are named.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "policy/model.h"

namespace fwctl::policy {

// A line each: "+ rule "web": allow tcp/80", "- set old", "~ set spamhaus: +120 -3", "~ defaults: in allow ->
// deny", "^ rule "ssh": now behind "web"".
// `lost`: how many members are in the dynamic sets of `before` that `after` does not fill live, by name.
std::vector<std::string> difference(const Policy& before, const Policy& after,
                                    const std::map<std::string, std::size_t>& lost = {});

}  // namespace fwctl::policy
