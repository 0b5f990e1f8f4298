// Packets for policies: at the edges of their rules, and anywhere.
//
// Promises: the same dice give the same packets, and each of them could come along a wire (see possible()).
// `now` is left at 0.
#pragma once

#include <cstdint>
#include <vector>

#include "generate/random.h"
#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::generate {

// The longest that is made, from the network header on: what a test run takes in one frame.
inline constexpr std::uint32_t kLongestPacket = 8900;

// The nearest view that a packet can have: what contradicts the rest is changed or, where the packet has no
// such field, zero. possible(possible(view)) == possible(view).
policy::PacketView possible(policy::PacketView view);

policy::PacketView random_packet(Random& random);

// At one of the rules: in each field that it asks for a value from within, the first, the last, and in one
// field of every other packet the one before or behind. One packet in twenty is a random one. There has to be
// a rule.
policy::PacketView aimed_packet(const std::vector<policy::Rule>& rules, const policy::Context& context,
                                Random& random);

}  // namespace fwctl::generate
