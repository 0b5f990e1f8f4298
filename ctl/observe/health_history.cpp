#include "observe/health_history.h"

#include <fmt/format.h>

#include <utility>

namespace fwctl::observe {

std::vector<News> HealthHistory::look(WallTime now) {
    std::vector<News> news;
    if (!services_.look() || !services_.attached()) return news;
    auto before = std::exchange(changes_, {});
    for (const policy::Vip& vip : services_.vips())
        for (const policy::Backend& backend : vip.backends) {
            const auto health = engine::health_of(vip, services_.condition(vip.name, backend.name));
            auto& changes = changes_[{vip.name, backend.name}] = std::move(before[{vip.name, backend.name}]);
            if (!changes.empty() && changes.back().health == health) continue;
            if (!changes.empty())
                news.push_back({health == engine::BackendHealth::kUp ? Priority::kNotice : Priority::kWarning,
                                "backend",
                                fmt::format("vip {}: backend {} is {}", vip.name, backend.name,
                                            engine::health_name(health)),
                                {{"VIP", vip.name}, {"BACKEND", backend.name}}});
            changes.push_back({now, health});
            if (changes.size() > kKept) changes.pop_front();
        }
    return news;
}

const std::deque<HealthChange>& HealthHistory::of(const std::string& vip, const std::string& backend) const {
    static const std::deque<HealthChange> kNone;
    const auto found = changes_.find({vip, backend});
    return found == changes_.end() ? kNone : found->second;
}

}  // namespace fwctl::observe
