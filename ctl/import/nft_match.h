// What a match of nftables asks.
//
// Promises: what it means to the kernel: a layer-4 header is never that of a later fragment.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "import/match.h"
#include "import/nft_json.h"
#include "import/nft_sets.h"

namespace fwctl::importer {

// Where a rule stands.
struct NftTable {
    std::string family;  // ip, ip6, inet, netdev
    std::string name;
};

// `match` has "op", "left" and "right".
Result<Condition> nft_condition(const Json& match, const NftTable& table, const NftSets& sets);

// What a match, a statement or its left side is called: "ip saddr", "ct state", "limit".
std::string nft_name(const Json& expression);

}  // namespace fwctl::importer
