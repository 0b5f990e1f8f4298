// How it went with the backends of services: when the health of each has changed.
//
// Promises: no lock is taken. Of each backend at most kKept changes are kept, from when it was first seen on.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/service_health.h"
#include "engine/service_watch.h"
#include "observe/news.h"

namespace fwctl::observe {

using WallTime = std::chrono::system_clock::time_point;

struct HealthChange {
    WallTime time;
    engine::BackendHealth health = engine::BackendHealth::kUnchecked;
};

class HealthHistory {
public:
    static constexpr std::size_t kKept = 60;

    // What has changed since the last look.
    std::vector<News> look(WallTime now);

    // Oldest first; the last one is how it stands.
    [[nodiscard]] const std::deque<HealthChange>& of(const std::string& vip,
                                                     const std::string& backend) const;

private:
    engine::ServiceWatch services_;
    std::map<std::pair<std::string, std::string>, std::deque<HealthChange>> changes_;
};

}  // namespace fwctl::observe
