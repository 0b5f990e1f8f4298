#include "agent/target.h"

#include <algorithm>

namespace fwctl::agent {
namespace {

std::uint16_t checked_port(const policy::Vip& vip) {
    if (vip.health.port != 0) return vip.health.port;
    std::uint16_t lowest = 0;
    for (const policy::Service& service : vip.services) {
        if (!service.has_selector) continue;
        lowest = lowest == 0 ? service.selector.first : std::min(lowest, service.selector.first);
    }
    return lowest;
}

}  // namespace

std::vector<Target> targets_of(const policy::Vip& vip) {
    std::vector<Target> targets;
    if (vip.health.kind == policy::HealthKind::kNone) return targets;
    for (const policy::Backend& backend : vip.backends)
        for (const policy::Prefix& address : backend.addresses)
            targets.push_back({{vip.name, backend.name, address}, checked_port(vip), vip.health});
    return targets;
}

}  // namespace fwctl::agent
