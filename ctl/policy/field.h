// The table of the numbers in a packet that a rule can ask for beside addresses and service: how each is
// called, written, and which values it can have. Parser, printer, analysis, oracle, compiler and reference
// page read it.
//
// Promises: parse_field(f, format_field(f, i)) == i for every interval that parse_field can give.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

struct FieldInfo {
    Field field = Field::kSourcePort;
    std::string_view key;       // of a [[rule]]: "sport"
    std::string_view accepts;   // "22, 1024-65535"
    std::string_view meaning;   // one line for the reference page
    std::uint64_t largest = 0;  // the largest value that a packet can have
};

// In the order of enum Field.
std::span<const FieldInfo> fields();
const FieldInfo& info_of(Field field);

// One word of the key's value:
//   sport     22, 1024-65535                     ttl, length   64, 0-63
//   flags     syn, !ack, syn+ack, syn+!ack       every flag named is set, or with ! not set; "none": no flag
//   fragment  no, atomic, first, later, any      any: first or later; no: neither is it (whole or atomic)
//   dscp      46, ef, af11, cs3, 0-7             vlan          10, 100-200, none
//   mac       52:54:00:12:34:56, 52:54:00:00:00:00/24
//   ethertype arp, ip, ip6, lldp, 0x88cc, 35020
//   state     new, established, related, invalid, untracked
Result<Interval> parse_field(Field field, std::string_view word);
std::string format_field(Field field, const Interval& interval);

// Whether every value that `inner` holds lies in `outer`.
bool covers(const Interval& outer, const Interval& inner);

// The one form of intervals that say the same, but for masks: sorted, none within another, and neighbours
// without a mask in one.
std::vector<Interval> canonical_intervals(std::vector<Interval> intervals);

// Words that parse_field() reads back to the canonical intervals of `match`. An interval may take several: no
// one word says "atomic or first".
std::vector<std::string> format_match(const FieldMatch& match);

}  // namespace fwctl::policy
