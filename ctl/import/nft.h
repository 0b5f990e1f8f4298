// The output of nft list ruleset as chains to be translated.
#pragma once

#include <string_view>

#include "import/import.h"
#include "import/nft_json.h"
#include "import/report.h"
#include "import/ruleset.h"

namespace fwctl::importer {

struct NftRuleset {
    Ruleset ruleset;
    Report report;
};

Result<NftRuleset> read_nft_ruleset(std::string_view text, std::string_view file_name);

}  // namespace fwctl::importer
