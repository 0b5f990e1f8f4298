// One rule of iptables, understood.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "import/iptables_lines.h"
#include "import/ruleset.h"
#include "import/set_names.h"

namespace fwctl::importer {

// The key of a chain in Ruleset::chains.
std::string iptables_chain_key(const IptablesTable& table, std::string_view chain);

// A rule that cannot be translated has its reason, and its verdict all the same. `sets` gets the sets that it
// names.
SourceRule read_iptables_rule(const IptablesRule& rule, const IptablesTable& table,
                              std::string_view file_name, SetNames& sets);

}  // namespace fwctl::importer
