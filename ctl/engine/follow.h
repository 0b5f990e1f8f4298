// What has changed around the running policy since it was applied: interfaces, addresses and routes.
//
// Promises: interfaces that an [attach.NAME] of the running policy matches, and on which nothing of ours is,
// are attached as `apply` would. Those of a pattern that are gone for good are forgotten then. Addresses that
// services announce are put back where they are missing. Programs that send packets on learn the MAC address
// that a device has now. Backends of services are sent to by the ways that the routes say now. Nothing else
// is changed, and no lock is taken while there is nothing to do.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/announce.h"
#include "engine/attach.h"
#include "engine/ways.h"

namespace fwctl::engine {

struct Followed {
    std::vector<AttachOutcome> attached;
    std::vector<std::string> forgotten;
    std::vector<Way> ways;             // that are others
    std::vector<Announced> announced;  // that were missing
};

// `risen`: interfaces that have come up, whose segments are told again of the addresses that they have.
Result<Followed> follow(const std::set<int>& risen);

}  // namespace fwctl::engine
