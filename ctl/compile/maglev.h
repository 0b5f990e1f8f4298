// The ring of a balanced service: which backend each slot holds.
//
// Promises, of members whose keys differ and of a ring that is a prime:
//   - The ring follows from the keys, the weights and the size alone, the same on every node and in every
//     version: not from the order of the members, not from their numbers, not from rings that were before.
//   - With 100 slots for each member that has weight, each has its share of the slots to 1 % of that share,
//   if
//     the share is at least 100 slots; so members of the same weight are within 1 % of their mean.
//   - Where one comes or goes, or gets another weight, no other gains and a third loses: the numbers of slots
//     change as they must. Slots that move though they need not: with rings of 16,381 slots and more, again
//     100 for each member, less than 1.2 % of all when one comes or goes, 1.5 % with another weight. There is
//     no proof of these two; what was measured stands below.
//
// The way is Maglev's (Eisenbud et al., "Maglev: a fast and reliable software network load balancer",
// NSDI 2016, section 3.4): a hash of its key gives each member an offset and a skip, and with them an order
// in which it walks over all slots. Maglev lets members take turns, and who finds a slot taken goes on until
// one is free: so each lost slot shifts all that the loser takes later. Here
//   - a lost turn is lost: a slot is for whoever comes to it first. Nobody's coming depends on others, which
//     makes this rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit
//     rates", IEEE/ACM Transactions on Networking 6(1), 1998): nothing moves that need not.
//   - a weight is a pace. A member of weight w comes to its k-th slot at t(k) / w, where t(k) is when the
//   k-th
//     of `size` independent exponential clocks is expected to ring (Renyi, 1953): the logarithmic method of
//     Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005, in whole numbers.
//   - shares so won scatter by some 70 % of the root of their slots. Hence each member has a quota, by
//   Webster's
//     method: of those that divide shares fairly it is one that never takes a slot from a member because
//     another lost weight (Balinski and Young, "Fair representation", 1982); largest remainders can. With 100
//     slots for each member Webster's divisor is within 0.5 % of the plain one, and half a slot is 0.5 % of
//     100. Who has won more than its quota gives back those slots that it came to last, some 3 % of all; for
//     them, those members walk again that have room, and so on. (Capped as in Mirrokni, Thorup and
//     Zadimoghaddam, "Consistent hashing with bounded loads", SODA 2018, but exactly, and without a chain of
//     displacements.)
//   - the walk is not offset + k * skip but offset + 1 / (k * skip), in the field of the size (an explicit
//     inversive generator: Eichenauer-Herrmann, Mathematics of Computation 60, 1993). Of two linear walks
//     whose skips have a simple ratio one follows the other; with few members one set in 500 so broke the
//     bounds, by 7 % at most. Two inversive ones are near to independent for any offsets that differ.
//
// Measured: MEASURED
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
