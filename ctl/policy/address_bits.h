// How much of an address counts: "source/24,64" tells sources apart by so many bits of theirs.
//
//     source        the whole address
//     source/24     of IPv4; of IPv6 then 64, a site
//     source/64     of IPv6 alone
//     source/24,64  of both
//
// Promises: parse_address_bits("x" + format_address_bits(b)) == b.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fwctl::policy {

struct AddressBits {
    std::uint8_t ipv4 = 32;
    std::uint8_t ipv6 = 128;
    bool operator==(const AddressBits&) const = default;
};

// What stands behind the slash of `word`, if there is one.
Result<AddressBits> parse_address_bits(std::string_view word);

// The shortest way to say it, with its slash; empty: the whole address.
std::string format_address_bits(const AddressBits& bits);

}  // namespace fwctl::policy
