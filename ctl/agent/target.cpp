#include "agent/target.h"

#include <algorithm>
#include <utility>

#include "policy/health.h"

namespace fwctl::agent {
namespace {

const policy::Prefix* first_of(const std::vector<policy::Prefix>& addresses, policy::Family family) {
    const auto found =
        std::find_if(addresses.begin(), addresses.end(),
                     [family](const policy::Prefix& address) { return address.family == family; });
    return found == addresses.end() ? nullptr : &*found;
}

// As fw_address_backend(): the one of the packet's own family where there is one.
const policy::Prefix& reached_at(const policy::Backend& backend, policy::Family family) {
    const policy::Prefix* own = first_of(backend.addresses, family);
    return own == nullptr ? backend.addresses.front() : *own;
}

// Of a block the first address.
policy::Prefix single(policy::Prefix prefix) {
    prefix.length = prefix.family == policy::Family::kIpv4 ? 32 : 128;
    return prefix;
}

std::vector<TargetId> ids_of(const policy::Vip& vip, const policy::Backend& backend) {
    std::vector<TargetId> ids;
    if (vip.health.via == policy::HealthVia::kBackend) {
        for (const policy::Prefix& address : backend.addresses)
            ids.push_back({vip.name, backend.name, address});
        return ids;
    }
    for (const policy::Family family : {policy::Family::kIpv4, policy::Family::kIpv6})
        if (const policy::Prefix* address = first_of(vip.addresses, family))
            ids.push_back({vip.name, backend.name, reached_at(backend, family), single(*address)});
    return ids;
}

}  // namespace

std::vector<Target> targets_of(const policy::Vip& vip) {
    std::vector<Target> targets;
    if (vip.health.kind == policy::HealthKind::kNone) return targets;
    for (const policy::Backend& backend : vip.backends)
        for (TargetId& id : ids_of(vip, backend))
            targets.push_back({std::move(id), policy::checked_port(vip, backend), vip.health});
    return targets;
}

}  // namespace fwctl::agent
