// On which of the four ways each rule is found (include/fwctl/abi/image.h): by both classes, by one, or by
// none.
//
// Promises: the ways take at most kMaxPairs pairs and kMaxLeafRows places in leaves of one class, whatever
// the rules are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compile/classes.h"

namespace fwctl::compile {

enum class Way : std::uint8_t { kRest, kSource, kDestination, kPair };

// What a rule says of its two ends, by the numbers of constraints; 0: nothing.
struct Ends {
    std::uint32_t source = 0;
    std::uint32_t destination = 0;
};

std::vector<Way> choose_ways(std::span<const Ends> ends, const Classes& sources, const Classes& destinations);

}  // namespace fwctl::compile
