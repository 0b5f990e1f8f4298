// The one table of the keys of a [[rule]]. Parser, printer, command line and reference page read it: a new
// key is a new row.
//
// Promises: the order of the rows is the order in which a rule is printed. add() and words() are each other's
// inverse: what words() gives for a canonical rule, add() reads back to the same rule.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

enum class ValueKind {
    kWord,   // a string
    kWords,  // a string or an array of strings, not empty
};

struct RuleKey {
    std::string_view name;
    ValueKind kind;
    bool required;
    std::string_view accepts;  // what a value looks like
    std::string_view meaning;  // one line for the reference page; says what its absence means

    // Reads one string of the value into the rule.
    Status (*add)(Rule& rule, std::string_view word);

    // The value as canonical strings; empty when the rule says what it says without the key.
    std::vector<std::string> (*words)(const Rule& rule);
};

std::span<const RuleKey> rule_keys();

// The row of that name, nullptr when there is none.
const RuleKey* find_rule_key(std::string_view name);

std::string_view action_name(Action action);           // "allow", "deny"
std::string_view direction_name(Direction direction);  // "both", "in", "out"

}  // namespace fwctl::policy
