// The program of an attachment once more, for questions: loaded over the same maps, attached nowhere.
//
// Promises: what it says is what the attached program would say of the packet now, or once the half holds;
// nothing is counted,
// and nothing of what runs is changed. The twin stays as it is when the store goes.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "engine/store.h"
#include "fwctl/abi/state.h"
#include "fwctl/abi/trace.h"
#include "kernel/object.h"

namespace fwctl::engine {

enum class Purpose {
    kExplain,   // the maps are others': nothing in them changes
    kRehearse,  // the store is private: packets take tokens, and its time is what the caller says
};

class Twin {
public:
    // Of the hook where the attachment sees that direction, and of the half of `policy`. An error with
    // Exit::kNotAttached when it sees nothing there.
    static Result<Twin> load(const Store& store, const Attachment& attachment, fw_direction direction,
                             std::uint32_t half, Purpose purpose);

    // `clock`: what a rehearsing one takes for CLOCK_MONOTONIC. `state`: as for kernel::Object::run().
    [[nodiscard]] Result<fw_trace> ask(std::span<const std::uint8_t> frame, std::uint64_t clock,
                                       std::optional<policy::FlowState> state) const;
    [[nodiscard]] fw_hook hook() const { return hook_; }

private:
    Twin(kernel::Object object, fw_hook hook) : object_(std::move(object)), hook_(hook) {}

    kernel::Object object_;
    fw_hook hook_;
};

}  // namespace fwctl::engine
