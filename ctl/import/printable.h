// Text of others where a policy can have it.
#pragma once

#include <string>
#include <string_view>

namespace fwctl::importer {

// With ? for control characters and for what is not UTF-8: TOML takes neither, and a comment ends with its
// line.
std::string printable(std::string_view text);

}  // namespace fwctl::importer
