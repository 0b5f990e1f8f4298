// A policy compiled for the state that it is to take the place of.
//
// Promises: rules that keep their names, as live rules do that the policy takes in, keep their counters, and
// new ones start at zero; a dynamic set that stays keeps its number, and with it its members. Nothing that
// runs is changed.
#pragma once

#include "base/result.h"
#include "compile/tier.h"
#include "engine/store.h"
#include "policy/model.h"

namespace fwctl::engine {

// `now` and `running`: what holds. Sets next.main.dynamic_sets; the result is for Store::prepare().
Result<compile::TierImage> compile_candidate(const Store& store, const State& now,
                                             const policy::Policy& running, const policy::Policy& policy,
                                             State& next);

}  // namespace fwctl::engine
