// Live edits of the rules, and reading them.
//
// Promises: an edit is switched on with one store or not at all. Rules whose time is over are left out and
// taken out with the next edit. Counters of rules that stay go on. `dry_run` does all but the switch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/store.h"
#include "policy/edit.h"

namespace fwctl::engine {

struct RuleView {
    std::size_t number = 0;  // from 1: the order in which the rules are asked
    policy::Rule rule;
    fw_count count{};
    std::optional<std::uint64_t> seconds_left;  // when the rule expires
};

// The built-in rules and the live ones.
Result<std::vector<RuleView>> list_rules();

struct AddedRule {
    policy::RuleOutcome outcome;
    policy::Rule rule;
    std::vector<std::string> attachments;  // where it holds now
};

Result<AddedRule> add_rule(const policy::Rule& rule, const std::optional<std::string>& before, bool dry_run);

Status remove_rules(const std::vector<std::string>& names, bool dry_run);
Status move_rule(const std::string& name, const std::optional<std::string>& before, bool dry_run);

}  // namespace fwctl::engine
