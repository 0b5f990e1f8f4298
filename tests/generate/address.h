// Blocks and the addresses at their edges.
#pragma once

#include <array>
#include <cstdint>

#include "generate/random.h"
#include "policy/model.h"

namespace fwctl::generate {

// Network byte order, IPv4 in the first four bytes.
using Address = std::array<std::uint8_t, 16>;

// The block of that length which the address lies in.
policy::Prefix block_around(policy::Family family, const Address& address, std::uint8_t length);

// The first and the last address of a block.
Address first_of(const policy::Prefix& prefix);
Address last_of(const policy::Prefix& prefix);

// The neighbours; the last address of all is followed by the first.
Address next(policy::Family family, Address address);
Address previous(policy::Family family, Address address);

// Any address of the block.
Address any_of(const policy::Prefix& prefix, Random& random);

// Any block of that length, at least as long as the prefix, within it.
policy::Prefix any_within(const policy::Prefix& prefix, std::uint8_t length, Random& random);

}  // namespace fwctl::generate
