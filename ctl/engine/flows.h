// Flows, as the programs follow them: include/fwctl/abi/flow.h.
#pragma once

#include "engine/store.h"

namespace fwctl::engine {

// 40,000 flows with room to spare, in 16 MB.
inline constexpr std::uint32_t kFlowPages = 2;

// Whether a rule asks for the state of flows.
bool follows_flows(const State& state);

// How long flows stay without a packet.
void put_timeouts(fw_generation& generation);

}  // namespace fwctl::engine
