// The program that moves flows to a table of another size (xdp/fwctl_flows.bpf.c), run from here.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/map.h"

namespace fwctl::kernel {

class FlowProgram {
public:
    static Result<FlowProgram> load(const Map& control, const Map& flow_pages, const Map& flow_counts);

    // Moves the flows of some buckets of the old table; says how many are still there. `now` in ticks.
    [[nodiscard]] Result<std::uint32_t> move(std::uint32_t first, std::uint32_t count,
                                             std::uint32_t now) const;

private:
    Fd program_;
};

}  // namespace fwctl::kernel
