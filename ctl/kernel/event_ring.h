// A ring buffer of the kernel, with the events of include/fwctl/abi/event.h in it, with or without packets'
// bytes.
//
// Promises: each event is read once, in the order in which it was written.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/fd.h"
#include "base/result.h"
#include "fwctl/abi/event.h"

struct ring_buffer;

namespace fwctl::kernel {

// The packet of an event.
struct Frame {
    const fw_capture* about = nullptr;         // nullptr: the listener wants no bytes
    std::span<const std::uint8_t> bytes = {};  // the first ones
};

class EventRing {
public:
    // False: no more for now. What it is handed is there during the call.
    using Use = std::function<bool(const fw_event&, const Frame&)>;

    // `bytes`: a power of two, and whole pages.
    static Result<EventRing> make(std::size_t bytes);

    // Of the map that programs write to.
    [[nodiscard]] int fd() const { return map_.get(); }
    // Waits at most so long for the first event, and hands over all that there are. A signal ends the wait.
    Status read(std::chrono::milliseconds wait, const Use& use);

private:
    struct Free {
        void operator()(ring_buffer* reader) const;
    };

    Fd map_;
    std::unique_ptr<Use> use_;  // where the reader's callback finds it, wherever this object is
    std::unique_ptr<ring_buffer, Free> reader_;
};

// What a listener that wants bytes brings along beside its ring: a room for each processor.
Result<Fd> make_capture_room();

}  // namespace fwctl::kernel
