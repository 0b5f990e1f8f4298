// Random packets of every kind that docs/parsing.md speaks of: well-formed, damaged and cut short.
//
// Promises: the same generator state gives the same packet with every compiler and library. About one packet
// in two is well-formed; frames reach 9,000 bytes, with IPv6 headers beyond the first 4 KB among them.
#pragma once

#include <cstdint>
#include <random>

#include "fwctl/abi/packet.h"
#include "packet_builder.h"

namespace fwctl::testing {

// Neither damaged nor cut: each length and offset is right. The chain of IPv6 headers may be too long all the
// same.
Bytes random_wellformed_packet(std::mt19937_64& random, fw_link link);

Bytes random_packet(std::mt19937_64& random, fw_link link);

}  // namespace fwctl::testing
