// Editing the ordered list of live rules: pure, on values.
//
// Promises: an edit that cannot be done leaves the list as it was. What the user should know is told in
// `notes`, a sentence each.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

enum class RuleChange {
    kAdded,
    kUnchanged,  // the list said so already
    kReplaced,   // a rule with the same match had the other action, another expiry or another place
};

struct RuleOutcome {
    RuleChange change = RuleChange::kAdded;
    std::size_t place = 0;      // of the rule in the list
    std::string replaced_name;  // of the rule that it took the place of
    std::vector<std::string> notes;
};

// Adds `rule`, which needs no name, at the end, or in front of the rule named `before`. A rule with the same
// match keeps its place and gets the new action: `allow icmp` after `deny icmp` means what it says.
Result<RuleOutcome> add_rule(std::vector<Rule>& rules, Rule rule, const std::optional<std::string>& before);

// Both name a rule that is not there, or that is built in, in an error with Exit::kUsage.
Status remove_rule(std::vector<Rule>& rules, const std::string& name);
Status move_rule(std::vector<Rule>& rules, const std::string& name, const std::optional<std::string>& before);

}  // namespace fwctl::policy
