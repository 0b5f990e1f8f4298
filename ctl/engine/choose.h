// Which hooks and which XDP mode an interface gets: the decision alone, without doing anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/interface.h"

namespace fwctl::engine {

enum class WantedMode { kAuto, kNative, kGeneric };

struct Wish {
    WantedMode mode = WantedMode::kAuto;
    std::uint8_t hooks = 0;  // enum fw_hook; 0: what suits the interface
    bool is_peer = false;    // a bridge port that --isolate-peers brings
    bool rewrites = false;   // the policy answers or sends on packets: XDP needs TC ingress for that
};

struct Choice {
    std::uint8_t hooks = 0;
    WantedMode mode = WantedMode::kAuto;  // kAuto: native, and generic when the driver has no native mode
};

// An error with Exit::kUsage when the wish contradicts itself or the interface cannot be filtered.
Result<Choice> choose(const net::Interface& interface, const Wish& wish);

}  // namespace fwctl::engine
