// A policy as it would hold, in a store of its own: for questions about it before it is applied.
//
// Promises: nothing of what runs is touched or needed; nothing is left behind, however the process ends.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/store.h"
#include "policy/model.h"

namespace fwctl::engine {

struct Rehearsal {
    Store store;
    State state;
};

// The attachments are those of the policy, and for each of `interfaces` one: the policy's whose name or
// device it is; in a policy that attaches nothing, one of that name. Interfaces that are neither are left
// out. Interfaces that exist here have their own link layer, others are Ethernet.
Result<Rehearsal> rehearse(const policy::Policy& policy, const std::vector<std::string>& interfaces);

}  // namespace fwctl::engine
