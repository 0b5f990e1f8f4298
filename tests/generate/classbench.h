// Filter sets in the format of ClassBench (Taylor and Turner, INFOCOM 2005), a rule on each line:
//
//     @192.0.2.0/24  198.51.100.7/32  0 : 65535  80 : 80  0x06/0xFF  0x0200/0x1200
//
// source, destination, their ports, protocol with mask, and the byte of TCP flags (or the ICMP type) with
// mask in the upper half of 16 bits; older files have no such column.
//
// Promises: read_classbench(write_classbench(p)) gives p's rules but for their names and actions, of which
// the format has none: they are "line 1" and so on, and deny. 0.0.0.0/0 is read as no address at all, and
// protocol 0x00/0x00 as every packet. Errors are one line that names the line or rule.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::generate {

Result<policy::Policy> read_classbench(std::string_view text);

// Fails when a rule says what the format cannot: IPv6, sets, lists, other fields.
Result<std::string> write_classbench(const policy::Policy& policy);

}  // namespace fwctl::generate
