// A ranking in columns, and the lines above it.
//
// Promises: printable text alone, whatever names are called: the terminal is the operator's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "observe/ranking.h"

namespace fwctl::cli {

// Control characters, what the terminal's locale does not know and what has no width as "?".
std::string printable(std::string_view text);

// At most so many columns of a terminal; the text is printable.
std::string cut_to(std::string_view text, std::size_t width);

// "eth0: 1,234 passed/s, 5 dropped/s", the busiest first, at most so many; the rest in one line.
std::vector<std::string> interface_lines(const observe::Counts& counts, const observe::Rates& rates,
                                         std::size_t most);

// The titles, and below them the rows from `first` on, `most` of them.
std::vector<std::string> table_lines(const observe::Ranking& ranking, std::size_t first, std::size_t most);

}  // namespace fwctl::cli
