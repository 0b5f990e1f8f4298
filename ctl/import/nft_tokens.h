// The words of what nft prints.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fwctl::importer {

struct NftToken {
    std::string text;  // a word, the inside of quotes, one of { } ( ) , ; or the end of a line
    bool is_quoted = false;
    std::size_t line = 1;
    std::size_t column = 1;
    std::size_t begin = 0;  // in bytes of the whole text
    std::size_t end = 0;

    // Not that word in quotes.
    [[nodiscard]] bool is(std::string_view word) const { return !is_quoted && text == word; }
    [[nodiscard]] bool ends_line() const { return is("\n"); }
};

// Comments are left out. An error when quotes are not closed.
Result<std::vector<NftToken>> nft_tokens(std::string_view text, std::string_view file_name);

}  // namespace fwctl::importer
