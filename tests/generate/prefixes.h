// Lists of address blocks with the shape of real ones.
//
// Promises: `count` blocks, no two the same, sorted; some within others. The same seed gives the same list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "policy/model.h"

namespace fwctl::generate {

enum class PrefixKind {
    kFeed,    // a published blocklist: four in five are single addresses, many of them in the same /24
    kRoutes,  // a routing table: in IPv4 mostly /24, in IPv6 /48, a third within a shorter one
};

std::vector<policy::Prefix> generate_prefixes(PrefixKind kind, policy::Family family, std::size_t count,
                                              std::uint64_t seed);

}  // namespace fwctl::generate
