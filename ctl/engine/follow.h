// What has changed around the running policy since it was applied: interfaces, addresses and routes.
//
// Promises: interfaces that an [attach.NAME] of the running policy matches, and on which nothing of ours is,
// are attached as `apply` would. Those of a pattern that are gone for good are forgotten then. Backends of
// services are sent to by the ways that the routes say now. Nothing else is changed, and no lock is taken
// while there is nothing to do.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/attach.h"
#include "engine/ways.h"

namespace fwctl::engine {

struct Followed {
    std::vector<AttachOutcome> attached;
    std::vector<std::string> forgotten;
    std::vector<Way> ways;  // that are others
};

Result<Followed> follow();

}  // namespace fwctl::engine
