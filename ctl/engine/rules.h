// Live edits of the rules, and reading them.
//
// Promises: an edit is switched on with one store or not at all. Rules whose time is over are left out and
// taken out with the next edit. Counters of rules that stay go on. `dry_run` does all but the switch.
#pragma once

#include <chrono>
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
    fw_rule_count count{};                                          // since it was reset
    std::optional<std::chrono::system_clock::time_point> last_hit;  // nullopt: no packet has met it
    std::optional<std::uint64_t> seconds_left;                      // when the rule expires
    std::string place;  // of a rule of the policy: "policy.toml:12"
};

// The built-in rules, the live ones and those of the policy.
struct RuleList {
    std::vector<RuleView> rules;
    policy::Defaults defaults;  // for what no rule names
};
Result<RuleList> list_rules();

struct AddedRule {
    policy::RuleOutcome outcome;
    policy::Rule rule;
    std::vector<std::string> attachments;  // where it holds now
};

Result<AddedRule> add_rule(const policy::Rule& rule, const std::optional<std::string>& before, bool dry_run);

Status remove_rules(const std::vector<std::string>& names, bool dry_run);
Status move_rule(const std::string& name, const std::optional<std::string>& before, bool dry_run);

// A live rule of that name is asked before all other live ones: it overrides them and the policy.
inline constexpr const char* kPanicRule = "panic";
// nullopt: takes it away. In an emergency nobody wants to hear of a trial: a rule rolls back a policy that is
// on trial. The result is whether it did.
Result<bool> set_panic(const std::optional<policy::Rule>& rule, bool dry_run);

}  // namespace fwctl::engine
