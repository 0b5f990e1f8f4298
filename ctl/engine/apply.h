// Applying a policy: from its text to the generation that holds.
//
// Promises: all of it or nothing; one store switches the rules, the defaults and the interfaces together, and
// whatever fails before it leaves what ran as it was. Counters of rules that keep their names go on, members
// of dynamic sets stay.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/attach.h"
#include "engine/running.h"
#include "engine/service_edits.h"
#include "engine/session.h"
#include "policy/parse.h"

namespace fwctl::engine {

struct ApplyRequest {
    std::string what = "apply";  // for the history
    bool discard_live = false;
    bool force = false;  // cut the session that the command runs in, fail its own tests
    std::string plan;    // the id of the plan that was looked at; empty: none was
    std::optional<std::chrono::seconds> trial;
};

struct ApplyReport {
    std::vector<std::string> changes;  // as policy::difference() says them
    std::vector<AttachOutcome> attached;
    std::vector<std::string> detached;
    SettledLive live;
    std::vector<MovedFlows> moved;
    std::uint32_t generation = 0;
    std::string snapshot;
    std::size_t rules = 0;
    std::size_t bytes = 0;  // of the kernel's memory that the compiled policy takes
};

// An error with Exit::kInPart: the policy holds, but what comes behind the switch is not all done.
Result<ApplyReport> apply(const policy::Loaded& loaded, const ApplyRequest& request);

// What a policy whose trial has just been ended by keep_trial() still lacks: the names of its attachments,
// those that it detaches, its line in the history.
Status settle_trial(Writing writing);

}  // namespace fwctl::engine
