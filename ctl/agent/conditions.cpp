#include "agent/conditions.h"

#include <algorithm>
#include <chrono>

#include "engine/service_health.h"
#include "fwctl/abi/service.h"

namespace fwctl::agent {
namespace {

constexpr std::uint32_t kAllWithheld = 255;

using engine::is_checked;

std::uint32_t weight_of(const policy::Backend& backend) {
    return backend.state == policy::BackendState::kReady && !backend.fallback ? backend.weight : 0;
}

// When a backend came up of which so much was withheld when the agent before this one ended.
Time came_up_before(std::uint32_t withheld, std::chrono::seconds slow_start, Time now) {
    const auto left = std::chrono::duration_cast<Time::duration>(slow_start) * withheld / kAllWithheld;
    return now + left - slow_start;
}

}  // namespace

bool Conditions::Member::fails() const {
    bool all_known = true;
    for (const auto& [id, state] : states) {
        if (state == Condition::kDown) return true;
        all_known = all_known && state == Condition::kUp;
    }
    return !all_known && failed_before;
}

bool Conditions::Member::known() const {
    return known_before || std::all_of(states.begin(), states.end(),
                                       [](const auto& one) { return one.second != Condition::kUnknown; });
}

Conditions::Service Conditions::make(const policy::Vip& vip, const Former& former, Time now) {
    Service service{vip, 0, {}};
    for (const policy::Backend& backend : vip.backends) {
        const std::uint32_t before = former(vip.name, backend.name);
        Member member;
        member.name = backend.name;
        member.weight = weight_of(backend);
        member.fallback = backend.fallback;
        member.failed_before = (before & FW_CONDITION_FAILS) != 0;
        member.known_before = (before & FW_CONDITION_KNOWN) != 0;
        if (const std::uint32_t held = before >> FW_CONDITION_WITHHELD_SHIFT & kAllWithheld; held != 0)
            member.came_up = came_up_before(held, vip.slow_start, now);
        service.members.push_back(std::move(member));
    }
    if (!is_checked(vip)) return service;
    for (const Target& target : targets_of(vip)) {
        service.port = target.port;
        for (Member& member : service.members)
            if (member.name == target.id.backend) member.states[target.id] = Condition::kUnknown;
    }
    return service;
}

// Takes over what was known, as the checker does.
void Conditions::keep(Service& service, Service& before) {
    const bool same_targets = service.port == before.port && is_checked(before.vip);
    for (Member& member : service.members) {
        const auto old = std::find_if(before.members.begin(), before.members.end(),
                                      [&](const Member& one) { return one.name == member.name; });
        if (old == before.members.end()) continue;
        member.failed_before = is_checked(before.vip) && old->fails();
        member.known_before = is_checked(before.vip) && old->known();
        member.came_up = old->came_up;
        if (!same_targets) continue;
        for (auto& [id, state] : member.states)
            if (const auto known = old->states.find(id); known != old->states.end()) state = known->second;
    }
}

void Conditions::set_vips(const std::vector<policy::Vip>& vips, const Former& former, Time now) {
    std::map<std::string, Service> next;
    for (const policy::Vip& vip : vips) {
        Service service = make(vip, former, now);
        if (const auto before = services_.find(vip.name); before != services_.end())
            keep(service, before->second);
        next.emplace(vip.name, std::move(service));
    }
    services_ = std::move(next);
}

bool Conditions::note(const Event& event, Time now) {
    const auto service = services_.find(event.target.vip);
    if (service == services_.end() || event.kind == Event::Kind::kUnable) return false;
    for (Member& member : service->second.members) {
        const auto state = member.states.find(event.target);
        if (state == member.states.end()) continue;
        const bool failed = member.fails();
        state->second = event.kind == Event::Kind::kUp ? Condition::kUp : Condition::kDown;
        if (failed && !member.fails()) member.came_up = now;
        return failed != member.fails();
    }
    return false;
}

bool Conditions::in_panic(const Service& service) {
    std::uint64_t all = 0;
    std::uint64_t good = 0;
    for (const Member& member : service.members) {
        all += member.weight;
        if (!member.fails()) good += member.weight;
    }
    return good * 100 < all * service.vip.panic;
}

std::uint32_t Conditions::withheld(const Member& member, std::chrono::seconds slow_start, Time now) {
    if (!member.came_up || slow_start == std::chrono::seconds(0)) return 0;
    const Time::duration left = *member.came_up + slow_start - now;
    if (left <= Time::duration(0)) return 0;
    return static_cast<std::uint32_t>(
        std::min<std::int64_t>(kAllWithheld, left * kAllWithheld / Time::duration(slow_start)));
}

std::vector<Conditions::Wanted> Conditions::at(Time now) const {
    std::vector<Wanted> all;
    for (const auto& [name, service] : services_) {
        const bool checked = is_checked(service.vip);
        const bool panic = checked && in_panic(service);
        for (const Member& member : service.members) {
            std::uint32_t condition = 0;
            if (checked && member.known()) condition |= FW_CONDITION_KNOWN;
            if (checked && member.fails()) {
                condition |= FW_CONDITION_FAILS;
                if (!panic || member.fallback) condition |= FW_CONDITION_DOWN;
            } else if (checked) {
                condition |= withheld(member, service.vip.slow_start, now) << FW_CONDITION_WITHHELD_SHIFT;
            }
            all.push_back({name, member.name, condition});
        }
    }
    return all;
}

Conditions::Mode Conditions::mode_of(const Service& service) {
    if (!is_checked(service.vip)) return Mode::kNormal;
    if (in_panic(service)) return Mode::kPanic;
    bool any = false;
    bool fallback = false;
    for (const Member& member : service.members) {
        if (member.weight != 0 && !member.fails()) return Mode::kNormal;
        any = any || member.weight != 0;
        fallback = fallback || (member.fallback && !member.fails());
    }
    if (!any) return Mode::kNormal;
    return fallback ? Mode::kFallback : Mode::kNone;
}

std::map<std::string, Conditions::Mode> Conditions::modes() const {
    std::map<std::string, Mode> all;
    for (const auto& [name, service] : services_) all[name] = mode_of(service);
    return all;
}

}  // namespace fwctl::agent
