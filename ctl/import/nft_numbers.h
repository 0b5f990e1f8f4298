// The numbers that a match of nftables compares with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "import/nft_json.h"
#include "import/nft_match.h"
#include "import/nft_names.h"
#include "import/numbers.h"

namespace fwctl::importer {

// A match and what is needed to understand it. It has a left and a right side.
struct NftQuestion {
    const Json& match;
    const NftTable& table;
    const NftSets& sets;
    std::string op;

    [[nodiscard]] const Json& right() const { return match.at("right"); }
};

// The elements of a set without a name, or of a named one that is not of addresses; else the value itself.
Result<std::vector<Json>> nft_values(const NftQuestion& question);

// The numbers from 0 to `largest` for which the comparison holds.
Result<Numbers> nft_compare(const std::string& op, const Numbers& values, Number largest);
Result<Numbers> nft_numbers(const NftQuestion& question, NftType type, Number largest);

// The bits of "syn", 2, ["syn", "ack"] or {"|": ["syn", "ack"]}; nullopt: it is not understood.
std::optional<std::uint8_t> nft_bits(NftType type, const Json& value);

}  // namespace fwctl::importer
