// The table of placed flows, counted by backend and swept: include/fwctl/abi/service.h.
//
// Promises: of a line what the programs would take for a flow that goes on. The table knows neither addresses
// nor protocols: an entry that stands for UDP, of a service that has TCP as well, is taken for TCP's, which
// lasts longer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/result.h"
#include "compile/numbers.h"
#include "fwctl/abi/service.h"
#include "policy/model.h"

namespace fwctl::engine {

class Store;

struct PlacedFlows {
    std::uint64_t proven = 0;  // had packets for a while
    std::uint64_t fresh = 0;   // the others
    // Since the last packet of the flow that had one last; a fresh flow is taken to have had its first alone.
    std::optional<std::chrono::seconds> idle;
    [[nodiscard]] std::uint64_t all() const { return proven + fresh; }
    bool operator==(const PlacedFlows&) const = default;
};

class PlacedCounter {
public:
    PlacedCounter(const std::vector<policy::Vip>& vips, const compile::Numbers& numbers);

    // `now`: in ticks.
    void add(const fw_placed_line& line, std::uint32_t now);
    [[nodiscard]] const PlacedFlows& of(std::uint32_t backend) const { return backends_.at(backend).flows; }

private:
    struct Counted {
        std::uint32_t timeout = 0;  // of a proven flow, in ticks
        PlacedFlows flows;
    };
    std::map<std::uint32_t, Counted> backends_;  // by number
};

// The time of the table: CLOCK_MONOTONIC in ticks.
std::uint32_t placed_ticks();

// Programs may write to the line at any time.
fw_placed_line read_placed(fw_placed_line& line);

// Frees what is over of a line, whatever its protocol is; else it looks like new when the time of its word
// has come around. `seen` is what was read of the line before `now`, in ticks: a word that is another one by
// now stays. Returns how many are freed.
std::size_t free_placed(fw_placed_line& line, const fw_placed_line& seen, std::uint32_t now);

Result<PlacedCounter> count_placed(const Store& store, const std::vector<policy::Vip>& vips,
                                   const compile::Numbers& numbers);

}  // namespace fwctl::engine
