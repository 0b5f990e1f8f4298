// Where the backends of services are reached from here, as their records in the kernel have it and as the
// routes say now: the interface, and the address that outer headers come from.
//
// Promises: nothing is changed. Where no route leads now, what was known counts: a cable that is pulled and
// put in again is no change.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "compile/services.h"
#include "engine/store.h"
#include "policy/model.h"

namespace fwctl::engine {

// As the routes say now; ifindex 0: there is none.
compile::WayOut route_to(const policy::Prefix& address);

// As a record has it.
compile::WayOut way_of(const fw_backend& record, policy::Family family);

struct Way {
    std::string vip;
    std::string backend;
    policy::Prefix address;  // of the backend
    compile::WayOut way;
};

// The ways of the running services that are others now, with what they are.
Result<std::vector<Way>> changed_ways(const Store& store, const std::vector<policy::Vip>& vips);

// Those of services with outer headers whose source is no address of this host, with what they were.
Result<std::vector<Way>> lost_ways(const Store& store, const std::vector<policy::Vip>& vips);

// "10.2.0.11".
std::string source_text(const Way& way);

}  // namespace fwctl::engine
