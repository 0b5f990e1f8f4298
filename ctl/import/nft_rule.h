// One rule of nftables, understood. One with a verdict map becomes several, of which a packet meets one at
// most.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "import/nft_match.h"
#include "import/ruleset.h"

namespace fwctl::importer {

// The key of a chain in Ruleset::chains.
std::string nft_chain_key(const NftTable& table, std::string_view chain);

// `rule` is what stands behind "rule" in the output of nft -j. A rule that cannot be translated has its
// reason, and its verdict all the same.
std::vector<SourceRule> read_nft_rule(const Json& rule, const NftTable& table, const NftSets& sets);

}  // namespace fwctl::importer
