// The ring of a balanced service: which backend each slot holds.
//
// Promises, of members whose keys differ and of a size that is a prime:
//   - The ring follows from the keys, the weights and the size alone, the same on every node and in every
//     version: not from the order of the members, not from their numbers, not from what was there before.
//   - With 100 slots for each member that has weight, each has its share of the slots to 1 % of that share,
//     if it is 100 slots or more; so members of the same weight are within 1 % of their mean.
//   - Where one comes or goes, or gets another weight, the others all yield slots or all gain some: the
//     numbers of slots change as they must.
//   - Slots that move though they need not, again with 100 for each member and 16,381 or more in all, are
//     less than 1.2 % of the ring when one comes or goes that has at most twice the mean share, and less than
//     1.5 % when its weight changes; less than 3 % with heavier ones, where up to everything has to move.
//     This is measured, not proven.
//
// Measured, of sets whose weights are equal, 1 to 10, any, or of 16 magnitudes alike: the most that moved
// though it need not, in percent of the slots.
//
//      members     slots   sets   one goes (or comes)   another weight   built in
//       2 - 163    16,381  4,000         1.09                1.02           1 ms
//       2 - 655    65,537    400         0.58                0.55           5 ms
//         1,000   100,003    120         0.46                0.43           8 ms
//         1,000   262,139     80         0.31                0.29          21 ms
//        10,000 1,000,003                                                 400 ms
//
// (sets for each number of members.) With one that comes and takes up to half of all slots 2.5 % moved else.
// Maglev as published moves 1.6 % on average where one of 163 goes, and 2.2 % with 40 on 4,093 slots. How
// this does better is told in maglev.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fwctl::compile {

struct RingMember {
    std::string key;           // what tells it from others: the same on all nodes and in all versions
    std::uint32_t weight = 1;  // up to 65,535; 0: it has no slot
    std::uint16_t number = 0;  // what its slots hold
};

inline constexpr std::uint32_t kLargestRing = 1'000'003;

// The size of a service's ring where the policy names none: a prime with at least 100 slots for each of up to
// 10,000 members. Of all members, those without weight too: a change of size moves most slots, so that it
// must not follow from draining one. For the same reason the steps are wide.
std::uint32_t ring_size_for(std::size_t members);

// `size` slots with the members' numbers; 0 in each where nobody has weight. `size` is at most kLargestRing.
// If it is not a prime the shares hold, but more slots move. A member whose share is less than half a slot
// may have none.
std::vector<std::uint16_t> build_ring(std::span<const RingMember> members, std::uint32_t size);

}  // namespace fwctl::compile
