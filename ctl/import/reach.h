// Where the rules of a ruleset can lead, whatever they ask.
#pragma once

#include <set>
#include <string>

#include "import/ruleset.h"

namespace fwctl::importer {

struct Reach {
    bool allows = false;
    bool denies = false;
};

// The verdicts that a rule can lead to. `is_in_base`: it stands in a chain that a hook asks, with that
// policy, which is what RETURN means there.
Reach reach_of(const Ruleset& ruleset, const SourceRule& rule, bool is_in_base, Verdict policy);

// Adds the keys of the chains that the rule asks, and of those that these ask.
void add_asked(const Ruleset& ruleset, const SourceRule& rule, std::set<std::string>& asked);

}  // namespace fwctl::importer
