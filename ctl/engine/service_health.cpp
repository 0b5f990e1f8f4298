#include "engine/service_health.h"

#include <algorithm>
#include <cstddef>

#include "fwctl/abi/service.h"

namespace fwctl::engine {

bool is_checked(const policy::Vip& vip) {
    return vip.enabled && vip.health.kind != policy::HealthKind::kNone;
}

BackendHealth health_of(const policy::Vip& vip, std::uint32_t condition) {
    if (!is_checked(vip)) return BackendHealth::kUnchecked;
    if ((condition & FW_CONDITION_DOWN) != 0) return BackendHealth::kDown;
    if ((condition & FW_CONDITION_FAILS) != 0) return BackendHealth::kUsed;
    if ((condition & FW_CONDITION_KNOWN) == 0) return BackendHealth::kUnchecked;
    return condition >> FW_CONDITION_WITHHELD_SHIFT != 0 ? BackendHealth::kStarting : BackendHealth::kUp;
}

std::string_view health_name(BackendHealth health) {
    switch (health) {
        case BackendHealth::kUnchecked:
            break;
        case BackendHealth::kUp:
            return "up";
        case BackendHealth::kStarting:
            return "starting";
        case BackendHealth::kDown:
            return "down";
        case BackendHealth::kUsed:
            return "fails, used";
    }
    return "unchecked";
}

ServiceHealth health_of(const policy::Vip& vip, const std::vector<BackendHealth>& backends) {
    if (!is_checked(vip)) return ServiceHealth::kUnchecked;
    if (std::find(backends.begin(), backends.end(), BackendHealth::kUsed) != backends.end())
        return ServiceHealth::kPanic;
    bool wanted = false;
    bool fallback = false;
    for (std::size_t i = 0; i < backends.size(); ++i) {
        const policy::Backend& backend = vip.backends[i];
        if (backend.state != policy::BackendState::kReady || backend.weight == 0) continue;
        const bool up = backends[i] != BackendHealth::kDown;
        if (up && !backend.fallback) return ServiceHealth::kNormal;
        wanted = wanted || !backend.fallback;
        fallback = fallback || up;
    }
    if (!wanted) return ServiceHealth::kNormal;
    return fallback ? ServiceHealth::kFallback : ServiceHealth::kNone;
}

std::string_view health_name(ServiceHealth health) {
    switch (health) {
        case ServiceHealth::kUnchecked:
            break;
        case ServiceHealth::kNormal:
            return "normal";
        case ServiceHealth::kPanic:
            return "panic";
        case ServiceHealth::kFallback:
            return "fallback";
        case ServiceHealth::kNone:
            return "all down";
    }
    return "unchecked";
}

}  // namespace fwctl::engine
