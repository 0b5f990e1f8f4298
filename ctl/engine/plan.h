// What applying a policy would change, and the policy that holds.
//
// Promises: nothing is changed or made.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/running.h"
#include "engine/service_edits.h"
#include "policy/parse.h"

namespace fwctl::engine {

struct Plan {
    std::vector<std::string> changes;  // as policy::difference() says them
    SettledLive live;
    std::vector<MovedFlows> moved;
    std::string id;  // another one when the running state or the policy has changed since
};
Result<Plan> plan_apply(const policy::Loaded& loaded, bool discard_live);

// `state`: that of Plan's running policy; an empty one while nothing is attached.
std::string plan_id(const State& state, const policy::Loaded& loaded);

// From the running policy with its live edits to another with those that stay. `lost`: as lost_members()
// says.
std::vector<std::string> changes_between(const policy::Policy& running, const State& now,
                                         const policy::Policy& policy, const State& next,
                                         const std::map<std::string, std::size_t>& lost);

// What holds, live rules in front of those of the files and vips with what was edited of them; rules that
// expire are left out, and panic is.
struct Exported {
    policy::Policy policy;
    std::size_t left_out = 0;
};
Result<Exported> export_policy();

}  // namespace fwctl::engine
