// Services: what a rule says of protocol and port.
//
//     any                                   every packet, IP or not
//     tcp  udp  sctp  icmp  icmp6           a protocol; icmp is IPv4 alone, icmp6 IPv6 alone
//     gre  esp  ospf  …  47  proto/47       another protocol by name or number, in both families
//     tcp/22  udp/1000-2000  tcp/https      a destination port, a range, a name from /etc/services
//     icmp/echo-request  icmp/8  icmp/3/4   a type by name or number, with its code
//     icmp6/133-137                         a range of types
//
// Promises: parse_service(format_service(s)) == s for every service that parse_service can give: one thing
// has one spelling. Port names become numbers when they are read. Upper and lower case are the same. Errors
// are one line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// IP protocol numbers that the language treats by name (IANA "Assigned Internet Protocol Numbers").
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmp6 = 58;
inline constexpr std::uint8_t kProtocolSctp = 132;

Result<Service> parse_service(std::string_view text);

// The canonical spelling. What only built-in rules say is written for people and not read back: "tcp from
// port 22".
std::string format_service(const Service& service);

// Whether it is of TCP, UDP or SCTP.
bool has_ports(const Service& service);

// Sorted, without duplicates and what another entry covers. O(n log n).
void reduce(std::vector<Service>& services);

// Whether every packet that `inner` matches is matched by `outer`.
bool covers(const Service& outer, const Service& inner);

}  // namespace fwctl::policy
