#include "observe/backend_metrics.h"

#include <functional>

#include "engine/service_health.h"
#include "observe/words.h"
#include "policy/schema.h"
#include "policy/vip.h"

namespace fwctl::observe {
namespace {

using engine::BackendHealth;

using UseBackend = std::function<void(const ServiceCounts& service, const BackendCounts& counts,
                                      const policy::Backend& backend)>;

void for_each_backend(const Counts& counts, const std::vector<policy::Vip>& vips, const UseBackend& use) {
    for (const ServiceCounts& service : counts.services) {
        const policy::Vip* vip = policy::find_named(vips, service.name);
        if (vip == nullptr) continue;
        for (const BackendCounts& one : service.backends)
            if (const policy::Backend* backend = policy::find_named(vip->backends, one.name))
                use(service, one, *backend);
    }
}

void tell_health(const Counts& counts, const std::vector<policy::Vip>& vips, Exposition& text) {
    text.metric("fwctl_service_health_info", MetricKind::kGauge,
                "How it stands with a service: \"normal\", \"panic\", \"fallback\", \"all down\", or "
                "\"unchecked\".");
    for (const ServiceCounts& service : counts.services)
        text.sample(1, {{"service", service.name}, {"health", engine::health_name(service.health)}});
    text.metric("fwctl_backend_up", MetricKind::kGauge,
                "Whether health checks find a backend to serve; without checks there is none.");
    for_each_backend(counts, vips, [&](const auto& service, const auto& one, const auto&) {
        if (one.health == BackendHealth::kUnchecked) return;
        const bool up = one.health == BackendHealth::kUp || one.health == BackendHealth::kStarting;
        text.sample(up ? 1 : 0, {{"service", service.name}, {"backend", one.name}});
    });
    text.metric("fwctl_backend_info", MetricKind::kGauge,
                "A backend, what fwctl vip show says of its health, and its state.");
    for_each_backend(counts, vips, [&](const auto& service, const auto& one, const auto& backend) {
        text.sample(1, {{"service", service.name},
                        {"backend", one.name},
                        {"address", addresses_of(backend)},
                        {"health", engine::health_name(one.health)},
                        {"state", policy::state_name(backend.state)}});
    });
    text.metric("fwctl_backend_weight", MetricKind::kGauge, "The share of new flows, beside the others'.");
    for_each_backend(counts, vips, [&](const auto& service, const auto& one, const auto& backend) {
        text.sample(backend.weight, {{"service", service.name}, {"backend", one.name}});
    });
}

}  // namespace

void tell_backends(const Counts& counts, const std::vector<policy::Vip>& vips, Exposition& text) {
    const auto tell = [&](const char* name, MetricKind kind, const char* help, auto number) {
        text.metric(name, kind, help);
        for_each_backend(counts, vips, [&](const auto& service, const auto& one, const auto&) {
            text.sample(number(one), {{"service", service.name}, {"backend", one.name}});
        });
    };
    using One = const BackendCounts&;
    tell("fwctl_backend_packets_total", MetricKind::kCounter, "Packets that went to a backend.",
         [](One one) { return one.count.packets; });
    tell("fwctl_backend_bytes_total", MetricKind::kCounter, "Bytes of the packets that went to a backend.",
         [](One one) { return one.count.bytes; });
    tell("fwctl_backend_flows_total", MetricKind::kCounter, "Flows that were given to a backend.",
         [](One one) { return one.count.flows; });
    tell("fwctl_backend_active_flows", MetricKind::kGauge, "Flows that a backend has now.",
         [](One one) { return one.active; });
    tell_health(counts, vips, text);
}

}  // namespace fwctl::observe
