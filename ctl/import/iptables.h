// The output of iptables-save as chains to be translated.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "import/import.h"
#include "import/report.h"
#include "import/ruleset.h"

namespace fwctl::importer {

struct IptablesRuleset {
    Ruleset ruleset;
    Report report;
};

Result<IptablesRuleset> read_iptables_ruleset(std::string_view text, std::string_view file_name,
                                              const Options& options);

}  // namespace fwctl::importer
