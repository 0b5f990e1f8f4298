// A live rule from the words of the command line:
//
//     fwctl allow|deny|reject SERVICE… [from ADDRESS…] [to ADDRESS…] [FIELD VALUE…]… [on INTERFACE…] [in|out]
//
//     fwctl limit SERVICE… N/second|minute|hour [burst B] [packets|bytes] [per WHAT] [from …]…
//
// where ADDRESS is as in addresses.h and FIELD one of field.h: sport 1024-65535; the rate is as in rate.h.
//
// Promises: commas separate like blanks. Errors are one line, with Exit::kUsage. The rule is canonical and
// carries its default name. Options (--for, --before) are not seen here.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// `words` are those behind the verb.
Result<Rule> parse_rule_words(Action action, std::span<const std::string> words);

// Of a filter: a rule that allows what it chooses, of any service where the words do not begin with one.
Result<Rule> parse_filter_words(std::vector<std::string> words);

// Of `limit`: a rule that denies what is over the rate.
Result<Rule> parse_limit_words(std::span<const std::string> words);

}  // namespace fwctl::policy
