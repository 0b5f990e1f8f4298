// Filter sets in the format of ClassBench (Taylor and Turner, INFOCOM 2005), a rule on each line:
//
//     @192.0.2.0/24  198.51.100.7/32  0 : 65535  80 : 80  0x06/0xFF  0x0200/0x1200
//
// source, destination, their ports, protocol with mask, and the byte of TCP flags (or the ICMP type) with
// mask in the upper half of 16 bits; older files have no such column. And traces of packets, as its generator
// writes them, numbers alone:
//
//     3221226035  3325256711  40000  80  6  33559040  12
//
// addresses, ports, protocol, flags above their mask in 32 bits (older ones have no such column), and the
// rule that the packet was made for, which need not be the first that matches.
//
// Promises: read_classbench(write_classbench(p)) gives p's rules but for their names and actions, of which
// the format has none: they are "line 1" and so on, and deny. 0.0.0.0/0 is read as no address at all, and
// protocol 0x00/0x00 as every packet. What is read is IPv4. Errors are one line: of reading
// "FILE:LINE:COLUMN: " and what has to stand there, of writing with the rule's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/result.h"
#include "policy/model.h"

namespace fwctl::generate {

Result<policy::Policy> read_classbench(const Source& file);

struct TracePacket {
    std::uint32_t source = 0;  // addresses in host order
    std::uint32_t destination = 0;
    std::uint16_t source_port = 0;
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    std::optional<std::uint8_t> flags;  // of TCP, or the type of ICMP
};
// The rule's number, when there is one, is only looked at for its form.
Result<std::vector<TracePacket>> read_trace(const Source& file);

// Fails when a rule says what the format cannot: IPv6, sets, lists, other fields.
Result<std::string> write_classbench(const policy::Policy& policy);

}  // namespace fwctl::generate
