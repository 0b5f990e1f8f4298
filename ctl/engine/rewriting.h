// Whether packets are more than passed and dropped, and what attachments need for it: programs that can,
// and TC ingress beside XDP (docs/forward.md).
#pragma once

#include "base/result.h"
#include "engine/store.h"
#include "policy/model.h"

namespace fwctl::engine {

// A rule rejects or redirects, what is let in is sent on past the stack or to backends, or packets are
// unpacked.
bool rewrites(const policy::Policy& policy);
bool rewrites(const State& state);
bool rewrites_in_front(const State& state);  // whatever the policy's rules ask for

// An error when a rule has action synproxy and the kernel, or an attachment that the rule is for, cannot do
// it.
Status check_synproxy(const policy::Policy& policy, const State& state);

// Makes the attachments of the state ready to rewrite. They judge on meanwhile.
Status make_ready_to_rewrite(const Store& store, State& state);

}  // namespace fwctl::engine
