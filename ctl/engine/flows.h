// Flows, as the programs follow them: include/fwctl/abi/flow.h.
#pragma once

#include <chrono>
#include <string_view>

#include "engine/store.h"
#include "policy/evaluate.h"

namespace fwctl::engine {

// 40,000 flows with room to spare, in 16 MB.
inline constexpr std::uint32_t kFlowPages = 2;

// Whether a rule asks for the state of flows.
bool follows_flows(const State& state);

// How long flows stay without a packet.
void put_timeouts(fw_generation& generation);

struct FlowView {
    policy::PacketView opener;  // a packet as the one that has opened the flow
    std::string_view state;     // of TCP: "established"; else "new" or "answered"
    bool is_confirmed = false;  // new flows cannot push it out
    std::chrono::seconds left;  // without a packet
};

// How the table is filled, and what became of flows since it was made.
struct FlowTable {
    std::vector<FlowView> flows;
    fw_flow_counts counts{};
    std::uint32_t room = 0;  // for confirmed flows; 0: no rule asks for the state of flows
};

// The flows whose first packet `filter` matches, a rule without a name.
Result<FlowTable> list_flows(const policy::Rule& filter);
// Forgets them; says how many.
Result<std::size_t> flush_flows(const policy::Rule& filter);

}  // namespace fwctl::engine
