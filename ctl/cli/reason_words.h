// What the commands that listen to packets share: the words for what they want to hear of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fwctl::cli {

using Bits = std::map<std::string, std::uint64_t>;  // of reasons, by a name for them

const Bits& bits_of_reasons();
const Bits& bits_of_verdicts();  // and "any"
std::vector<std::string> names_of(const Bits& bits);

}  // namespace fwctl::cli
