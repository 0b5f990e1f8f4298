// The built-in rules: asked before all others, so that no policy can break what every network needs by
// accident.
//
// Promises: a fixed list in a fixed order. The first kParserRules stand for what the parser refuses and are
// never matched against a packet: their service says `any` and means nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "policy/model.h"

namespace fwctl::policy {

inline constexpr std::size_t kParserRules = 3;  // malformed, vlan-depth, header-chain

std::vector<Rule> builtin_rules();

// Every rule in the order in which it is asked: the lockout guard with the replies to it, the built-in rules
// that the policy has not switched off, `live`, and those of the policy's files.
std::vector<Rule> effective_rules(const Policy& policy, const std::vector<Rule>& live);

// Why the rule of that name is there, a sentence for people; nullopt when no built-in rule has the name. The
// guard's rules, "lockout" and "lockout-replies", are built in as well.
std::optional<std::string_view> describe_builtin(std::string_view name);

// What the parser refuses under this rule ("malformed packets"); nullopt for rules that are matched.
std::optional<std::string_view> judged_by_parser(const Rule& rule);

}  // namespace fwctl::policy
