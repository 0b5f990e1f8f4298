// What can be said of rules without a packet: their canonical form, their names, and which of them say the
// same or more.
//
// Promises: pure functions. canonical() changes no verdict. covers() never says true wrongly; it may say
// false of rules that do cover each other, since it compares their parts one by one and does not add blocks
// or ranges up.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

inline constexpr std::size_t kMaxNameLength = 63;
inline constexpr std::size_t kMaxInterfaceNameLength = 15;  // the kernel's IFNAMSIZ - 1

// The one form of all rules that say the same: lists sorted, without duplicates and without what another
// entry covers; fields sorted, each once; no service is `any`; `on` "*" is no `on`; `redirect`, a rate or
// `ban` without a direction is for ingress. Name, action, origin and expiry stay as they are.
Rule canonical(Rule rule);

// Whether the rule can only be told when flows are followed.
bool asks_state(const Rule& rule);

// Whether packets that match are answered or sent elsewhere.
bool rewrites(const Rule& rule);

// An error when the rule contradicts itself (see check.h); expects a canonical rule.
Status check_rule(const Rule& rule);

// Names are 1 to 63 of A-Z a-z 0-9 . , _ / : @ - and blanks, none of these first or last.
Status check_name(std::string_view name);

// The name of a rule that was given none, from what it says: "deny-icmp", "allow-tcp/22-from-10.0.0.0/8".
// Where that is too long or has other letters than names may have, it is cut and a hash of the whole ends it.
// Expects a canonical rule.
std::string default_name(const Rule& rule);

// An interface name or a pattern of it: 1 to 15 printable letters without '/' and ':'; * and ? are wildcards.
Status check_interface(std::string_view pattern);

bool is_pattern(std::string_view name);

// * stands for any letters, ? for one.
bool interface_matches(std::string_view pattern, std::string_view name);

// Whether one of the patterns matches; no patterns stand for every interface.
bool any_matches(const std::vector<std::string>& patterns, std::string_view name);

// Whether two canonical rules match the same packets: equal in all but name, action, origin, expiry, and the
// numbers of a rate.
bool same_match(const Rule& one, const Rule& other);

// Whether every packet that `inner` matches, at any time, is matched by `outer`.
// False when either is judged by the parser (see builtin.h), or `outer` has a rate.
bool covers(const Rule& outer, const Rule& inner);

}  // namespace fwctl::policy
