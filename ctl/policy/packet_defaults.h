// What reading and printing a packet in words (packet_text.h) agree on: what is left out, and what kinds of
// packets there are.
#pragma once

#include <cstdint>

#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::policy {

inline constexpr std::uint8_t kDefaultTtl = 64;
inline constexpr std::uint16_t kDefaultSourcePort = 40000;
inline constexpr std::uint8_t kDefaultTcpFlags = 0x02;  // syn

std::uint16_t ethertype_of(Family family);
Family other_family(Family family);
std::uint8_t icmp_protocol(Family family);

// Ethertypes that the parser looks behind: no packet ends up with one and without a family.
bool is_read_on(std::uint16_t ethertype);

// Protocol numbers that are headers of IPv6, which the parser walks (RFC 8200, RFC 4302).
bool is_extension(std::uint8_t protocol);

std::uint32_t default_length(const PacketView& packet);

}  // namespace fwctl::policy
