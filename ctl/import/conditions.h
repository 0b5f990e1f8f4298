// What rules of other firewalls ask, as Match: each brings what makes sure that a packet has the part asked
// for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "import/match.h"

namespace fwctl::importer {

Match of_ip();
Match of_family(policy::Family family);
Match of_protocols(const Numbers& protocols);

// Axis::kSelector for destination ports, or Axis::kSourcePort. Of which protocols is to be said beside it,
// see check_ports().
Match of_ports(Axis side, const Numbers& ports);
// `types` are type * 256 + code.
Match of_icmp(policy::Family family, const Numbers& types);
Match of_tcp_flags(const Numbers& flags);
// Of IP: fragment, length, TTL, DSCP, state.
Match of_ip_number(Axis axis, const Numbers& values);
Match of_address(Axis side, policy::Family family, const Numbers& addresses);
Match in_set(Axis side, std::string name, bool inside);
Match of_direction(policy::Direction direction);
// `names` as of Match::on, "*" being every interface. A packet that goes the other way has no such interface,
// which is one by another name.
Condition on_interfaces(policy::Direction direction, std::vector<std::string> names, bool negated);
// Of packets that come in, others have none yet.
Match from_mac(const Numbers& addresses);

// An error when ports are asked for of protocols whose ports fwctl does not read.
Status check_ports(const Match& match);

// The values 0 to 255 whose bits in `mask` are `value`.
Numbers masked_byte(std::uint8_t mask, std::uint8_t value);

struct Block {
    policy::Family family = policy::Family::kIpv4;
    Numbers addresses;
};
// "192.0.2.1", "192.0.2.0/24", "192.0.2.0/255.255.255.0"; bits behind the mask do not count.
Result<Block> parse_block(std::string_view text);
// Two addresses of one family.
Result<Block> parse_span(std::string_view first, std::string_view last);
// The blocks that make up those addresses.
std::vector<policy::Prefix> blocks_of(policy::Family family, const Numbers& addresses);

// A protocol by number or name, as /etc/protocols and iptables have them.
Result<std::uint8_t> parse_protocol(std::string_view text);
// A port by number or by its name in /etc/services.
Result<std::uint16_t> parse_port(std::string_view text);

}  // namespace fwctl::importer
