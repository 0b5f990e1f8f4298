// A Match in the words of the policy language.
#pragma once

#include "base/result.h"
#include "import/match.h"
#include "policy/model.h"

namespace fwctl::importer {

// A rule for exactly these packets. Name, action and direction stay as a Rule has them. The error says what
// the language has no word for.
Result<policy::Rule> rule_of(const Match& match);

}  // namespace fwctl::importer
