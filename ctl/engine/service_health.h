// What the conditions that the agent has written mean for people.
//
// Promises: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/model.h"

namespace fwctl::engine {

enum class BackendHealth : std::uint8_t {
    kUnchecked,  // the service has no check, or nothing was found out yet
    kUp,
    kStarting,  // up, and gets less than its share for a while
    kDown,
    kUsed,  // fails, and counts as up in a panic
};

BackendHealth health_of(const policy::Vip& vip, std::uint32_t condition);
// "up", "down".
std::string_view health_name(BackendHealth health);

enum class ServiceHealth : std::uint8_t {
    kUnchecked,
    kNormal,
    kPanic,
    kFallback,  // none of the others is up
    kNone,      // nor is a fallback backend
};

// `backends`: as the vip has them.
ServiceHealth health_of(const policy::Vip& vip, const std::vector<BackendHealth>& backends);
std::string_view health_name(ServiceHealth health);

bool is_checked(const policy::Vip& vip);

}  // namespace fwctl::engine
