// Attaching what has appeared since the policy was applied.
//
// Promises: interfaces that an [attach.NAME] of the running policy matches, and on which nothing of ours is,
// are attached as `apply` would. Those of a pattern that are gone for good are forgotten then. Nothing else
// is changed, and no lock is taken while there is nothing to do.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/attach.h"

namespace fwctl::engine {

struct Followed {
    std::vector<AttachOutcome> attached;
    std::vector<std::string> forgotten;
};

Result<Followed> follow();

}  // namespace fwctl::engine
