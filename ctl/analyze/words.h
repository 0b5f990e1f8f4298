// How findings speak of rules.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "analyze/judge.h"
#include "policy/model.h"

namespace fwctl::analyze {

// "allows", or of several "allow".
std::string_view verb(Action action, bool of_several);

// "ssh" with its place where it has one: "ssh" (policy.toml:12), the built-in rule "arp".
std::string named(const Rule& rule, const Policy& policy);

// Their names, the first of many: "a" (policy.toml:3), "b" (policy.toml:9) and 7 others. Not empty.
std::string listed(const std::set<std::size_t>& chosen, const std::vector<AskedRule>& rules,
                   const Policy& policy);

}  // namespace fwctl::analyze
