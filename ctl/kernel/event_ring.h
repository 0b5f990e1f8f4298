// A ring buffer of the kernel, with the events of include/fwctl/abi/event.h in it.
//
// Promises: each event is read once, in the order in which it was written.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "fwctl/abi/event.h"

struct ring_buffer;

namespace fwctl::kernel {

class EventRing {
public:
    // False: no more for now.
    using Use = std::function<bool(const fw_event&)>;

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

}  // namespace fwctl::kernel
