#include "policy/health.h"

#include <algorithm>
#include <array>
#include <utility>

namespace fwctl::policy {

namespace {

constexpr std::array kHealthKinds = {
    Choice<HealthKind>{"tcp", HealthKind::kTcp},     Choice<HealthKind>{"http", HealthKind::kHttp},
    Choice<HealthKind>{"https", HealthKind::kHttps}, Choice<HealthKind>{"udp", HealthKind::kUdp},
    Choice<HealthKind>{"ping", HealthKind::kPing},   Choice<HealthKind>{"exec", HealthKind::kExec}};

// Sorted, those that touch as one.
std::vector<Range> merge_ranges(std::vector<Range> ranges) {
    std::sort(ranges.begin(), ranges.end());
    std::vector<Range> out;
    for (const Range& range : ranges) {
        if (!out.empty() && range.first <= out.back().last + 1) {
            out.back().last = std::max(out.back().last, range.last);
        } else {
            out.push_back(range);
        }
    }
    return out;
}

}  // namespace

std::span<const Choice<HealthKind>> health_kinds() {
    return kHealthKinds;
}

std::vector<std::string_view> kinds_with(std::string_view key) {
    std::vector<std::string_view> names;
    for (const auto& [name, kind] : kHealthKinds) {
        if (has_key(kind, key)) {
            names.push_back(name);
        }
    }
    return names;
}

bool has_key(HealthKind kind, std::string_view key) {
    const bool is_kind = std::any_of(kHealthKinds.begin(), kHealthKinds.end(),
                                     [&](const auto& known) { return known.word == key; });
    if (is_kind) {
        return word_of<HealthKind>(kHealthKinds, kind) == key;
    }
    if (key == "host" || key == "status" || key == "body") {
        return kind == HealthKind::kHttp || kind == HealthKind::kHttps;
    }
    if (key == "answer") {
        return kind == HealthKind::kUdp;
    }
    if (key == "via") {
        return kind != HealthKind::kPing && kind != HealthKind::kExec;
    }
    return key != "port" || kind != HealthKind::kPing;
}

std::uint16_t checked_port(const Vip& vip, const Backend& backend) {
    if (vip.health.port != 0) {
        return vip.health.port;
    }
    if (backend.port != 0) {
        return backend.port;
    }
    std::uint16_t lowest = 0;
    for (const Service& service : vip.services) {
        if (service.has_selector) {
            lowest = lowest == 0 ? service.selector.first : std::min(lowest, service.selector.first);
        }
    }
    return lowest;
}

Health canonical(Health health) {
    if (health.kind == HealthKind::kNone) {
        return {};
    }
    health.statuses = health.statuses.empty() ? Health{}.statuses : merge_ranges(std::move(health.statuses));
    health.timeout = std::min(health.timeout, health.every);
    return health;
}

}  // namespace fwctl::policy
