// What changes from one policy to another, in words.
//
// Promises: nothing is said when the two say the same, wherever it is written. A rule keeps its identity by
// its name; of rules that changed places the fewest are named.
#pragma once

#include <string>
#include <vector>

#include "policy/model.h"

namespace fwctl::policy {

// A line each: "+ rule "web": allow tcp/80", "- set old", "~ set spamhaus: +120 -3", "~ defaults: in allow ->
// deny", "^ rule "ssh": now behind "web"".
std::vector<std::string> difference(const Policy& before, const Policy& after);

}  // namespace fwctl::policy
