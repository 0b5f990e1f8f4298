// What rules and routes say beside a verdict: answers to the sender, where packets are sent on, rates, how
// many are logged, and into which sets their senders go.
//
// Promises: a rule that says nothing of the kind has no struct fw_action; equal ones are written once.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "compile/bank.h"
#include "compile/outputs.h"
#include "fwctl/abi/image.h"
#include "fwctl/abi/policy.h"
#include "policy/model.h"

namespace fwctl::compile {

class Actions {
public:
    // `sets`: the numbers of dynamic sets.
    Actions(Bank& bank, Outputs& outputs, const std::map<std::string, std::uint32_t>* sets)
        : bank_(bank), outputs_(outputs), sets_(sets) {}

    // The table fw_tier.actions; 0: no rule says anything.
    Address put(std::span<const policy::Rule> rules, std::span<const std::uint32_t> counters);

private:
    Address put(const policy::Rule& rule, std::uint32_t counter);

    Bank& bank_;
    Outputs& outputs_;
    const std::map<std::string, std::uint32_t>* sets_;
    std::map<std::string, Address> known_;  // by their bytes
};

// An entry of the forwarding table; `table` of its key is not set.
struct RouteEntry {
    fw_route_key key{};
    fw_next_hop next_hop{};
};

// Of routes to the same prefix the first one holds.
std::vector<RouteEntry> route_entries(std::span<const policy::Route> routes, Outputs& outputs);

}  // namespace fwctl::compile
