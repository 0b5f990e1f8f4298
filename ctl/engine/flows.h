// Flows, as the programs follow them: include/fwctl/abi/flow.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "engine/store.h"
#include "policy/evaluate.h"

namespace fwctl::engine {

// Whether a rule asks for the state of flows.
bool follows_flows(const State& state);

// How many pages the flow table has: at its size a bucket is half full, so that few have no room.
std::uint32_t flow_pages(const State& state);

// What the programs are told of flows.
void put_flows(const State& state, fw_generation& generation);

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

struct FlowUse {
    std::uint64_t confirmed = 0;
    std::uint64_t fresh = 0;  // the others
};
// How many there are; one that changes while they are counted may be left out.
Result<FlowUse> count_flows(const Store& store);

// The flows whose first packet `filter` matches, a rule without a name.
Result<FlowTable> list_flows(const policy::Rule& filter);
// Forgets them; says how many.
Result<std::size_t> flush_flows(const policy::Rule& filter);

}  // namespace fwctl::engine
