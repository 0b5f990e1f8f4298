#include "engine/service_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/library.h"
#include "engine/running.h"
#include "engine/session.h"
#include "policy/vip_edit.h"

namespace fwctl::engine {
namespace {

std::string place_of(const policy::Policy& policy, const std::string& name) {
    for (const policy::Vip& vip : policy.vips)
        if (vip.name == name) return fmt::format("{}:{}", policy.files[vip.place.file], vip.place.span.line);
    return {};
}

std::chrono::seconds left_of(const compile::RunningRing& ring) {
    const auto ticks = static_cast<std::int32_t>(ring.former_until - placed_ticks());
    if (ring.former_until == 0 || ticks <= 0) return std::chrono::seconds(0);
    return std::chrono::ceil<std::chrono::seconds>(
        std::chrono::nanoseconds(static_cast<std::uint64_t>(ticks) << FW_PLACED_TICK_SHIFT));
}

// By the numbers of backends.
std::vector<std::uint32_t> count_slots(const compile::RunningRing& ring) {
    std::vector<std::uint32_t> counts(FW_MAX_BACKENDS);
    for (const std::uint32_t slot : ring.slots) ++counts[slot & (FW_MAX_BACKENDS - 1)];
    return counts;
}

void add_up(const fw_backend_count& count, fw_backend_count& sum) {
    sum.packets += count.packets;
    sum.bytes += count.bytes;
    sum.flows += count.flows;
}

Result<ServiceView> view_service(const Store& store, const policy::Vip& vip, const RunningServices& running,
                                 const PlacedCounter& placed) {
    ServiceView view;
    view.vip = vip;
    const compile::RunningRing& ring = running.rings.at(vip.name);
    view.ring = static_cast<std::uint32_t>(ring.slots.size());
    view.transition_left = left_of(ring);
    const std::vector<std::uint32_t> slots = count_slots(ring);
    std::vector<BackendHealth> health;
    for (const policy::Backend& backend : vip.backends) {
        const std::uint16_t number = running.numbers.backend(vip.name, backend.name);
        health.push_back(health_of(vip, store.condition(number)));
        auto count = store.backend_count(number);
        if (!count) return tl::unexpected(count.error());
        add_up(*count, view.count);
        view.backends.push_back({backend, slots[number], *count, placed.of(number), {}, health.back()});
    }
    view.health = health_of(vip, health);
    return view;
}

void mark_live(const policy::VipEdit& edit, ServiceList& list) {
    const auto view = std::find_if(list.services.begin(), list.services.end(),
                                   [&](const ServiceView& one) { return one.vip.name == edit.vip; });
    if (view == list.services.end()) {
        list.removed.push_back(edit.vip);
        return;
    }
    view->live.push_back(edit);
    for (BackendView& backend : view->backends)
        if (backend.backend.name == edit.backend) backend.live.push_back(edit.what);
}

struct Picture {
    State state;
    RunningServices running;
};

// Of one generation, though a trial's time may run out while it is read.
Result<Picture> read_picture(const Store& store) {
    while (true) {
        const Store::Holding holding = store.holding();
        auto state = store.read();
        auto running = store.running_services();
        if (store.holding() != holding) continue;
        if (!state) return tl::unexpected(state.error());
        if (!running) return tl::unexpected(running.error());
        return Picture{std::move(*state), std::move(*running)};
    }
}

}  // namespace

Result<ServiceList> list_services() {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return nothing_attached();
    const Store& store = (*reading)->store;
    auto picture = read_picture(store);
    if (!picture) return tl::unexpected(picture.error());
    State& state = picture->state;
    const RunningServices& running = picture->running;
    auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    state.interfaces = std::move(*interfaces);
    auto absences = unanswered(state);
    if (!absences) return tl::unexpected(absences.error());
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto applied = load_running(*library, state.main);
    if (!applied) return tl::unexpected(applied.error());
    auto placed = count_placed(store, state.front.vips, running.numbers);
    if (!placed) return tl::unexpected(placed.error());

    ServiceList list;
    for (const policy::Vip& vip : state.front.vips) {
        auto view = view_service(store, vip, running, *placed);
        if (!view) return tl::unexpected(view.error());
        view->place = place_of(applied->policy, vip.name);
        std::copy_if(absences->begin(), absences->end(), std::back_inserter(view->unanswered),
                     [&](const Absence& one) { return one.vip == vip.name; });
        list.services.push_back(std::move(*view));
    }
    const std::vector<policy::Vip>& base = applied->policy.vips;
    for (const policy::VipEdit& edit : policy::merge_vips(base, state.front.vips, base).kept)
        mark_live(edit, list);
    return list;
}

Result<ServiceView> show_service(const std::string& name) {
    auto list = list_services();
    if (!list) return tl::unexpected(list.error());
    std::vector<policy::Vip> vips;
    for (ServiceView& view : list->services) {
        if (view.vip.name == name) return std::move(view);
        vips.push_back(view.vip);
    }
    return tl::unexpected(policy::find_vip(vips, name).error());
}

}  // namespace fwctl::engine
