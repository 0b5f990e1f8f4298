// What the commands that listen to packets share: the words for what they want to hear of, and how they end.
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

// From now on SIGINT and SIGTERM interrupt what waits, and are counted: other than with cli/interrupt.h the
// second one does not end the process, which is to write its last words.
void count_interrupts();
int times_interrupted();

}  // namespace fwctl::cli
