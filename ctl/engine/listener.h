// Hears of packets as they are decided: include/fwctl/abi/event.h.
//
// Promises: packets wait for nobody. What a listener did not get is known: counted where it was too slow, and
// noticed where its process stood still for so long that the programs took it for dead. No lock is taken, and
// listeners know nothing of each other.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "base/fd.h"
#include "base/result.h"
#include "engine/store.h"
#include "kernel/event_ring.h"

namespace fwctl::engine {

// Of which packets; the others cost the programs next to nothing.
struct Wanted {
    std::uint64_t reasons = FW_REASONS_MASK;  // bit i: those with reason i
    std::uint32_t one_of = 1;                 // of so many one, by chance
    std::uint32_t bytes = 0;                  // of each packet, FW_MAX_CAPTURED at most; 0: the event alone
    std::uint32_t points = FW_BEFORE;         // enum fw_point, at which bytes are taken
    int talkers = -1;                         // tables that are filled in the place of events; -1: none
};

class Listener {
public:
    // An error with Exit::kConflict when there are too many. The store has to outlive it.
    static Result<Listener> open(const Store& store, const Wanted& wanted);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    // As kernel::EventRing::read(), but that in a flood it comes back now and then.
    Status read(std::chrono::milliseconds wait, const kernel::EventRing::Use& use);
    // Has packets fill the other one of the two tables of talkers, 0 or 1, and goes on listening.
    Status fill(std::uint32_t table);
    // From now on of so many packets one is told.
    void thin_to(std::uint32_t one_of);
    // Events that found no room, since the listener is there.
    [[nodiscard]] Result<std::uint64_t> lost();
    // Whether, since it was asked last, the process stood still for so long that nobody knows how many events
    // it missed.
    [[nodiscard]] bool stood_still();

private:
    Listener(const Store& store, const Wanted& wanted, kernel::EventRing ring, Fd room);
    Status claim();
    bool take(std::uint32_t slot);
    Status stay();
    [[nodiscard]] std::uint64_t heard_bits() const;

    const Store* store_;
    Wanted wanted_;
    kernel::EventRing ring_;
    Fd room_;  // of one that wants bytes
    std::uint32_t slot_ = 0;
    std::uint32_t filled_ = 0;       // table of talkers
    std::uint64_t until_ = 0;        // as it stands in the slot; 0: there is none
    std::uint64_t lost_before_ = 0;  // in slots that it had before
    std::uint64_t lost_ = 0;         // as it was told last
    bool stood_still_ = false;
};

// Frees the rings of those that were killed. Packets do without: it is for the memory.
void forget_dead_listeners(const Store& store);

// Those that listen, by their slots, and how many events each has lost so far.
Result<std::map<std::uint32_t, std::uint64_t>> lost_by_listeners(const Store& store);

}  // namespace fwctl::engine
