// Who talks to whom, of a packet of IP: for listings.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "cli/output.h"
#include "policy/evaluate.h"

namespace fwctl::cli {

// "tcp", "icmp", "47"
std::string protocol_text(std::uint8_t protocol);
// "192.0.2.1:80", "[2001:db8::1]:80"; without the port where the protocol has none.
std::string end_text(const policy::PacketView& packet, const std::array<std::uint8_t, 16>& address,
                     std::uint16_t port);
// protocol, from, to; from_port and to_port where there are any.
Json ends_json(const policy::PacketView& packet);

}  // namespace fwctl::cli
