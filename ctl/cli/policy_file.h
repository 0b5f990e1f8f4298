// A policy from a file, and what is wrong with it, for the commands that take one.
#pragma once

#include <optional>
#include <string>

#include "cli/command.h"
#include "policy/parse.h"

namespace fwctl::cli {

// nullopt: the mistakes are on stderr, and the command ends with Exit::kUsage. Its warnings are left to the
// caller.
std::optional<policy::Loaded> read_policy_file(const std::string& path, const Globals& globals);

// The same, and warnings are shown as well.
std::optional<policy::Loaded> load_policy_file(const std::string& path, const Globals& globals);

// What the policy consists of: "12 rules, 3 sets with 1,204 elements, 2 tests".
std::string describe_size(const policy::Policy& policy);

}  // namespace fwctl::cli
