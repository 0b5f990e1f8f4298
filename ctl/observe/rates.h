// How fast counters grow: what two pictures of them say, per second.
//
// Promises: pure functions. What goes by the same name in both is the same; a counter that is smaller in the
// second picture began anew in between, at zero. What only the second picture has, has no rate yet, as nobody
// knows what was counted of it before; but an interface whose counters were made in between began at zero.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "observe/counts.h"

namespace fwctl::observe {

struct Rate {
    double packets = 0;
    double bytes = 0;

    bool operator==(const Rate&) const = default;
};

struct InterfaceRates {
    std::array<std::array<Rate, FW_REASON_COUNT>, FW_DIRECTIONS> by_reason{};
    [[nodiscard]] double passed() const;  // packets, also those that were sent on
    [[nodiscard]] double dropped() const;
};

struct BackendRates {
    Rate rate;
    double flows = 0;  // that it was chosen for
};

struct SetRates {
    double banned = 0;
    double replaced = 0;
    double refused = 0;
};

struct TrackingRates {
    double opened = 0;
    double confirmed = 0;
    double displaced = 0;
    double crowded = 0;
    double busy = 0;
};

// Each list in the order of the second picture.
struct Rates {
    double seconds = 0;  // between the two
    std::vector<InterfaceRates> interfaces;
    std::vector<Rate> rules;
    std::vector<SetRates> sets;
    std::vector<std::vector<BackendRates>> services;
    TrackingRates tracking;
};

Rates rates_between(const Counts& before, const Counts& after);

}  // namespace fwctl::observe
