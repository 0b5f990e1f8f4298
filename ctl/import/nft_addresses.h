// Addresses as nft writes them: alone, as a prefix, as a range.
#pragma once

#include "base/result.h"
#include "import/nft_json.h"
#include "import/numbers.h"
#include "policy/model.h"

namespace fwctl::importer {

// An error when it is none, or of the other IP version.
Result<Numbers> nft_block(const Json& value, policy::Family family);

}  // namespace fwctl::importer
