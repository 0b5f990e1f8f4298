// Live edits of balanced services.
//
// Promises: an edit is switched on with one store or not at all, and refused while a policy is on trial.
// `dry_run` does all but the switch. Flows that are known stay where they are, but for those of backends that
// go or are put to maintenance.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/model.h"
#include "policy/vip_edit.h"

namespace fwctl::engine {

struct ServiceEdit {
    bool changed = false;
    // Of the service's new flows the share that goes to another backend than before, 0 to 1; nullopt: it was
    // not balanced before, or is not any more.
    std::optional<double> moved;
};

// `edit` is one of policy/vip_edit.h, of the vip of that name.
Result<ServiceEdit> edit_service(const std::string& vip, bool dry_run,
                                 const std::function<Result<bool>(std::vector<policy::Vip>&)>& edit);

// How many flows are placed on a backend that drains: of those that the table knows. An error with
// Exit::kConflict when it does not drain any more.
Result<std::uint64_t> flows_of_drained(const policy::BackendPath& path);

struct MovedFlows {
    std::string vip;
    double share = 0;
};
// The services of both that send new flows elsewhere.
Result<std::vector<MovedFlows>> moves_between(const std::vector<policy::Vip>& before,
                                              const std::vector<policy::Vip>& after);

}  // namespace fwctl::engine
