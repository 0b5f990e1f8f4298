#include "engine/status.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/library.h"
#include "engine/listener.h"
#include "engine/session.h"
#include "policy/rule.h"

namespace fwctl::engine {
namespace {

using net::Interface;

std::string why_broken(const AttachmentStatus& status, const std::vector<Interface>& all) {
    const std::string name = status.attachment.name();
    if (!status.interface) {
        const Interface* again = net::find_interface(all, name);
        if (again != nullptr)
            return fmt::format(
                "{0} was deleted and made again: nothing is filtered; repair: fwctl attach {0}", name);
        return fmt::format(
            "{0} is gone: nothing is filtered; when it is back: fwctl attach {0}, for good: fwctl detach {0}",
            name);
    }
    if ((status.attachment.record.flags & FW_ATTACHMENT_REPLACES) != 0 && !all_present(status.hooks))
        return fmt::format(
            "another XDP program is still in the place of ours on {0}; to go on: fwctl attach {0}", name);
    for (const HookState& hook : status.hooks)
        if (!hook.present())
            return fmt::format("its {0} program is gone: {1} is not filtered; repair: fwctl attach {2}",
                               hook_name(hook.hook),
                               hook.hook == FW_HOOK_TC_OUT ? "what goes out" : "what comes in", name);
    return {};
}

std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

void warn_of_bridge(const AttachmentStatus& status, const std::vector<Interface>& all, const State& state,
                    std::vector<std::string>& warnings) {
    std::vector<std::string> open_ports;
    bool isolating = false;
    for (const Interface& port : all) {
        if (port.master != status.interface->ifindex) continue;
        const auto attached =
            std::find_if(state.attachments.begin(), state.attachments.end(), [&](const auto& other) {
                return other.enabled && other.ifindex() == port.ifindex && hook_for(other, FW_IN) != 0;
            });
        if (attached == state.attachments.end()) open_ports.push_back(port.name);
    }
    for (const Attachment& other : state.attachments)
        isolating = isolating || other.record.peer_of == status.attachment.record.ifindex;
    if (isolating && !open_ports.empty())
        warnings.push_back(
            fmt::format("new ports are not filtered among each other yet: {}; again: fwctl attach "
                        "--isolate-peers {}",
                        join(open_ports), status.interface->name));
    else if (!isolating && open_ports.size() > 1)
        warnings.push_back(
            fmt::format("traffic between its ports ({}) does not pass here; to filter it, too: fwctl attach "
                        "--isolate-peers {}",
                        join(open_ports), status.interface->name));
}

std::vector<std::string> warnings_of(const AttachmentStatus& status, const std::vector<Interface>& all,
                                     const State& state) {
    std::vector<std::string> warnings;
    const Attachment& attachment = status.attachment;
    if (status.interface->name != attachment.name())
        warnings.push_back(fmt::format("it is called {} now; rules know it as {}", status.interface->name,
                                       attachment.name()));
    if (hook_for(attachment, FW_IN) == 0) warnings.emplace_back("what comes in is not filtered");
    if (hook_for(attachment, FW_OUT) == 0 && attachment.record.peer_of == 0)
        warnings.emplace_back("what goes out is not filtered");
    for (const HookState& hook : status.hooks) {
        if (!hook.overtaken) continue;
        const std::string remedy = hook.by_link ? "fwctl attach " + attachment.name()
                                                : "give it a higher priority number (tc filter show)";
        warnings.push_back(
            fmt::format("another TC program is asked before ours at {}, and what it lets pass for good is "
                        "not filtered; to be the first again: {}",
                        hook_name(hook.hook), remedy));
    }
    if (status.interface->kind == "bridge") warn_of_bridge(status, all, state, warnings);
    return warnings;
}

Result<AttachmentStatus> status_of(const Store& store, const Attachment& attachment,
                                   const std::vector<Interface>& all, const State& state) {
    AttachmentStatus status;
    status.attachment = attachment;
    if (const Interface* found = net::find_interface(all, attachment.ifindex()); found != nullptr) {
        status.interface = *found;
        auto hooks = inspect_hooks(store, attachment);
        if (!hooks) return tl::unexpected(hooks.error());
        status.hooks = std::move(*hooks);
        status.warnings = warnings_of(status, all, state);
    }
    status.broken = why_broken(status, all);
    for (const fw_direction direction : {FW_IN, FW_OUT}) {
        auto counters = store.counters(attachment.slot, direction);
        if (!counters) return tl::unexpected(counters.error());
        status.counters[direction] = *counters;
    }
    return status;
}

}  // namespace

namespace {

// What the policy was called when it was applied; the status has to come without the disk as well.
std::string policy_path(const std::string& snapshot) {
    auto library = Library::open();
    if (!library) return "?";
    return library->path_of(snapshot).value_or("?");
}

}  // namespace

bool AttachmentStatus::is_one_of(const std::vector<std::string>& patterns) const {
    return policy::any_matches(patterns, attachment.name()) ||
           (interface && policy::any_matches(patterns, interface->name));
}

const HookState* AttachmentStatus::judge_of(fw_direction direction) const {
    const std::uint8_t hook = hook_for(attachment, direction);
    const auto found =
        std::find_if(hooks.begin(), hooks.end(), [hook](const HookState& one) { return one.hook == hook; });
    return found == hooks.end() || !found->present() ? nullptr : &*found;
}

bool Overview::any_broken() const {
    return std::any_of(attachments.begin(), attachments.end(),
                       [](const AttachmentStatus& status) { return !status.broken.empty(); });
}

namespace {

Status add_services(const Store& store, const State& state, Overview& status) {
    auto running = store.running_services();
    if (!running) return tl::unexpected(running.error());
    for (const policy::Vip& vip : state.front.vips) {
        if (!is_checked(vip)) continue;
        ++status.checked;
        TroubledService service{vip.name, ServiceHealth::kNormal, {}};
        std::vector<BackendHealth> health;
        for (const policy::Backend& backend : vip.backends) {
            health.push_back(
                health_of(vip, store.condition(running->numbers.backend(vip.name, backend.name))));
            if (health.back() == BackendHealth::kDown || health.back() == BackendHealth::kUsed)
                service.failing.push_back(backend.name);
        }
        service.health = health_of(vip, health);
        if (!service.failing.empty()) status.troubled.push_back(std::move(service));
    }
    auto lost = lost_ways(store, state.front.vips);
    if (!lost) return tl::unexpected(lost.error());
    status.lost_ways = std::move(*lost);
    return {};
}

// Whether ours see what comes in by the device. A port of it does not balance for it.
bool is_seen(const State& state, int ifindex) {
    return std::any_of(state.attachments.begin(), state.attachments.end(), [ifindex](const Attachment& one) {
        return one.enabled && one.ifindex() == ifindex && hook_for(one, FW_IN) != 0;
    });
}

Status add_announced(const State& state, Overview& status) {
    auto absences = unanswered(state);
    if (!absences) return tl::unexpected(absences.error());
    status.unanswered = std::move(*absences);
    for (Announced& one : announced_by(state))
        if (one.address.ifindex != 0 && !is_seen(state, one.address.ifindex))
            status.unattached.push_back(std::move(one));
    return {};
}

}  // namespace

namespace {

Result<std::optional<Overview>> status_of(const Store& store) {
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    auto all = net::list_interfaces();
    if (!all) return tl::unexpected(all.error());
    state->interfaces = *all;

    Overview status;
    status.generation = state->generation;
    status.live_rules = static_cast<std::size_t>(std::count_if(
        state->live.begin(), state->live.end(),
        [now = monotonic_now()](const CountedRule& counted) { return !is_over(counted.rule, now); }));
    status.policy_rules = state->main.tier.rule_count;
    status.trial = store.trial_left();
    status.defaults = state->front.defaults;
    status.snapshot = state->main.snapshot;
    if (!status.snapshot.empty()) status.policy = policy_path(status.snapshot);
    if (auto told = add_services(store, *state, status); !told) return tl::unexpected(told.error());
    auto listeners = lost_by_listeners(store);
    if (!listeners) return tl::unexpected(listeners.error());
    status.listeners = std::move(*listeners);
    if (auto told = add_announced(*state, status); !told) return tl::unexpected(told.error());
    for (const Attachment& attachment : state->attachments) {
        if (!attachment.enabled) {
            ++status.leftovers;
            continue;
        }
        auto one = status_of(store, attachment, *all, *state);
        if (!one) return tl::unexpected(one.error());
        status.attachments.push_back(std::move(*one));
    }
    status.vips = std::move(state->front.vips);
    if (status.attachments.empty() && status.leftovers == 0) return std::nullopt;
    return status;
}

}  // namespace

Result<std::optional<Overview>> read_status() {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return std::nullopt;
    return status_of((*reading)->store);
}

// What was read while another generation took its place may be of neither.
Result<std::optional<Overview>> peek_status() {
    constexpr int kTries = 100;
    for (int tries = 0; tries < kTries; ++tries) {
        auto store = open_to_peek();
        if (!store) return tl::unexpected(store.error());
        if (!*store) return std::nullopt;
        const Store::Holding holding = (*store)->holding();
        auto overview = status_of(**store);
        if ((*store)->holding() == holding) return overview;
    }
    return fail("the policy changes faster than it can be read", Exit::kConflict);
}

}  // namespace fwctl::engine
