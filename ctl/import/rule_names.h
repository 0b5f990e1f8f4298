// Names for rules that had none: the comment where it can be one, else the chain and a number.
//
// Promises: every name is valid, and no two are the same nor that of a built-in rule.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace fwctl::importer {

class RuleNames {
public:
    RuleNames();

    // `wanted` if it can be a name and is free, else `chain` and `what`, with /2 and so on behind if need be.
    std::string take(std::string_view wanted, std::string_view chain, std::string_view what);

private:
    std::set<std::string> taken_;
    std::map<std::string, int> last_number_;  // behind a name that is taken
};

}  // namespace fwctl::importer
