// A policy as canonical TOML, and a rule, a vip or a backend as one line for people.
//
// Promises: reading print_policy(p) gives p again, for every p that was read or is canonical; the files of
// its sets have to be there. What comes from several files is printed as one. Origin and expiry of rules are
// not written. Built-in rules are not meant for print_policy().
#pragma once

#include <span>
#include <string>

#include "policy/model.h"
#include "policy/schema.h"

namespace fwctl::policy {

// Tables and keys in the order of the schema, what is absent left out, a single value as a string and several
// as an array.
std::string print_policy(const Policy& policy);

// "deny icmp, icmp6 from 10.0.0.0/8 to 192.0.2.1 on docker0 in": the words that make the rule, without its
// name. For the rules that the parser judges, what it refuses: "deny malformed packets".
std::string describe(const Rule& rule);

// "tcp/80, udp/443 to 203.0.113.10 by l2-dsr over 2 backends, checked by http".
std::string describe(const Vip& vip);

// An inline table of a vip as in print_policy(), such as `health`, "{ http = "/healthz", every = "5s" }", or
// "none".
std::string print_inline(std::span<const Key<Vip>> keys, const Vip& vip);

// "10.0.0.11, 2001:db8::11 weight 2 drain fallback server id 0a01".
std::string describe(const Backend& backend);

}  // namespace fwctl::policy
