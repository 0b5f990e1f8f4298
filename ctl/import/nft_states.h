// `ct state` of nftables.
//
// Promises: what it means to the kernel, which has a bit for each state and always one of them set: with ==
// and
// !=, and in sets, a value of several bits is that of no packet.
#pragma once

#include "base/result.h"
#include "import/match.h"
#include "import/nft_json.h"
#include "import/nft_numbers.h"

namespace fwctl::importer {

// `mask` is what the state is masked with before it is compared; nullptr: nothing.
Result<Condition> nft_states(const NftQuestion& question, const Json* mask);

}  // namespace fwctl::importer
