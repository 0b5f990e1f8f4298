// Rules that hold for IPv4 alone where IPv6 seems forgotten.
//
// Most rules for IPv4 alone are meant so. Said is only, of a rule whose effect (allow; deny or reject) the
// default has not, in a direction of the rule:
//   - that it has the service `icmp`, with addresses that leave IPv6 open, when no rule of the policy with
//     the same effect matches any ICMPv6 packet. Once for each effect;
//   - that it denies or rejects from or to 0.0.0.0/0, with the other side open to IPv6, or to a list of IPv4
//     alone what comes from a set that has IPv6 addresses too; when no rule that denies or rejects matches
//     any IPv6 packet that this one would match without that list.
// In policies of more than some thousand such rules not all are looked at.
// A source list of IPv4 alone is nothing to warn of: it names who is meant.
#pragma once

#include <vector>

#include "analyze/analyze.h"
#include "analyze/boxes.h"
#include "analyze/judge.h"

namespace fwctl::analyze {

std::vector<Finding> missing_ipv6(const std::vector<AskedRule>& rules, const Policy& policy,
                                  AddressBook& addresses, Translator& translator, Space& space);

}  // namespace fwctl::analyze
