#include "agent/check_metrics.h"

#include <fmt/format.h>

#include <string>

namespace fwctl::agent {

void tell_checks(const CheckStats& checks, observe::Exposition& text) {
    using observe::MetricKind;
    const auto found = [&](Finding finding) {
        return checks.by_finding[static_cast<std::size_t>(finding)].load(std::memory_order_relaxed);
    };
    text.metric("fwctl_health_checks_total", MetricKind::kCounter, "Health checks that have ended.");
    text.sample(found(Finding::kGood), {{"result", "good"}});
    text.sample(found(Finding::kBad), {{"result", "bad"}});
    text.sample(found(Finding::kUnable), {{"result", "not made"}});
    text.metric("fwctl_health_check_duration_seconds", MetricKind::kHistogram,
                "How long health checks have taken.");
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i <= kCheckBounds.size(); ++i) {
        sum += checks.by_bucket[i].load(std::memory_order_relaxed);
        const std::string bound = i < kCheckBounds.size() ? fmt::format("{}", kCheckBounds[i]) : "+Inf";
        text.part("_bucket", sum, {{"le", bound}});
    }
    text.part_seconds("_sum", static_cast<double>(checks.nanoseconds.load(std::memory_order_relaxed)) / 1e9);
    text.part("_count", sum);
}

}  // namespace fwctl::agent
