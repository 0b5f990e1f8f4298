#include "agent/target.h"

#include "policy/health.h"

namespace fwctl::agent {

std::vector<Target> targets_of(const policy::Vip& vip) {
    std::vector<Target> targets;
    if (vip.health.kind == policy::HealthKind::kNone) return targets;
    for (const policy::Backend& backend : vip.backends)
        for (const policy::Prefix& address : backend.addresses)
            targets.push_back(
                {{vip.name, backend.name, address}, policy::checked_port(vip, backend), vip.health});
    return targets;
}

}  // namespace fwctl::agent
