// ICMP and ICMPv6 messages by name and number (IANA "ICMP Parameters" and "ICMPv6 Parameters"; RFC 792, 4443,
// 4861, 3810). Names are spelled as by iptables and ip6tables; nft's spellings, "neighbour" and "ping" are
// read too.
//
// A message is a range of selectors: type * 256 + code, all 256 codes when the code does not matter.
//
// Promises: parse_icmp(family, format_icmp(family, r)) == r for every range that parse_icmp can give.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// Every code of the types first to last.
Range icmp_types(std::uint8_t first, std::uint8_t last);

// One code of one type.
Range icmp_code(std::uint8_t type, std::uint8_t code);

// What stands behind "icmp/" or "icmp6/", in lower case: a type by name or number, or a range of types by
// number; a code by name, or by number behind its type: "echo-request", "8", "133-137",
// "fragmentation-needed", "3/4".
Result<Range> parse_icmp(Family family, std::string_view text);

// The name where there is one.
std::string format_icmp(Family family, Range selector);

}  // namespace fwctl::policy
