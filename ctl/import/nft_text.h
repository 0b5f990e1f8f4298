// The output of `nft list ruleset` in the form that `nft -j list ruleset` gives it.
//
// Promises: tables, chains and sets are read, and in rules all that nft_match.h and nft_rule.h translate.
// Other statements become {"unread": REASON}, so that their rule is left out; what follows them is looked
// through for its verdict. Rules have in addition "line" and "text"; chains of ingress and egress "dev",
// which nft -j of Debian 12 forgets.
#pragma once

#include <string_view>

#include "base/result.h"
#include "import/nft_json.h"

namespace fwctl::importer {

Result<Json> nft_text_to_json(std::string_view text, std::string_view file_name);

}  // namespace fwctl::importer
