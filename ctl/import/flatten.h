// Chains of rules as one list in which the first match decides.
//
// Promises: a rule of the list matches exactly the packets of which its original is asked and which it
// matches, so that the list gives every packet the verdict of the original wherever nothing is left out.
// Left out is what the language cannot say, one rule at a time; behind a RETURN that is left out the rest of
// its chain is, since it is open which packets come there.
//
// An accept decides only in the last chain that a packet meets; in those before it means that the rest of the
// chain is not asked.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "import/ruleset.h"
#include "policy/model.h"

namespace fwctl::importer {

// One place of the list: a rule, or what stands there in its stead.
struct Entry {
    policy::Direction direction = policy::Direction::kIn;
    std::optional<policy::Rule> rule;
    const SourceRule* source = nullptr;  // nullptr: the policy of a chain
    std::string comment;                 // why there is no rule, or what is different in it
    bool left_out = false;
    bool allows = false;  // what a rule that is left out could have done
    bool denies = false;
};

struct Flat {
    std::vector<Entry> entries;
    policy::Action in = policy::Action::kAllow;
    policy::Action out = policy::Action::kAllow;
    std::size_t translated = 0;  // rules of the original
    std::size_t left_out = 0;
};

// Points into `ruleset`. An error when the list would get absurdly long.
Result<Flat> flatten(const Ruleset& ruleset);

}  // namespace fwctl::importer
