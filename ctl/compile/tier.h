// One tier: rules in their order become the words of a bank (include/fwctl/abi/image.h).
//
// Promises: pure and deterministic; the first rule that a walk in order would find is the one that the
// programs find. The size is bounded whatever the rules are: those that would take too much room are found on
// a slower way. The parser's own rules have no rows.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "compile/action.h"
#include "compile/bank.h"
#include "compile/constraint.h"
#include "compile/name_hash.h"
#include "compile/outputs.h"
#include "compile/places.h"
#include "fwctl/abi/policy.h"
#include "policy/model.h"

namespace fwctl::compile {

struct TierInput {
    std::span<const policy::Rule> rules;
    std::span<const std::uint32_t> counters;  // of each rule, its index in `rule_counters`
    std::uint32_t first_priority = 0;         // of the first rule
    const std::map<std::string, std::uint32_t>* dynamic_sets = nullptr;  // their numbers
    std::span<const policy::Route> routes = {};                          // the forwarding table
};

struct TierImage {
    fw_tier tier{};  // but for the bank's number
    Bank bank;
    Places places;
    Outputs outputs;
    std::vector<RouteEntry> routes;
    std::vector<std::uint32_t> bucket_pages;  // of the map `buckets`, that its rates need; ascending
};

Result<TierImage> compile_tier(const TierInput& input, SetBlocks& sets);

}  // namespace fwctl::compile
