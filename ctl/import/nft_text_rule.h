// A rule as nft prints it, in the form that nft -j gives it.
#pragma once

#include <span>

#include "import/nft_json.h"
#include "import/nft_tokens.h"

namespace fwctl::importer {

// {"expr": […]} and "comment" if there is one.
Json nft_rule_to_json(std::span<const NftToken> tokens);

// One value, or one element of a set: an address, a number, a range, a name.
Json nft_value_to_json(std::span<const NftToken> tokens);

// The elements between the braces of a set.
Json nft_elements_to_json(std::span<const NftToken> tokens);

}  // namespace fwctl::importer
