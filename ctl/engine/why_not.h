// Why a rule that was looked at did not decide, in words.
//
// Promises: pure functions. Which part of the rule did not hold is the program's word; what the packet has
// instead is said beside it.
#pragma once

#include <string>
#include <vector>

#include "fwctl/abi/trace.h"
#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::engine {

// "its service is tcp/443, the packet is tcp/80". `packet` has the names of the interface that it passes.
std::string why_not(const policy::Rule& rule, fw_row_part part, const policy::PacketView& packet);

// What a rule would call the packet's service: "tcp/80", "icmp/echo-request", "gre", "arp".
std::string service_of(const policy::PacketView& packet);

// The packet that the parser found.
policy::PacketView view_of(const fw_packet& packet, fw_link link, fw_direction direction,
                           std::vector<std::string> interfaces);

}  // namespace fwctl::engine
