#include "engine/attach_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "engine/hooks.h"
#include "engine/rewriting.h"
#include "kernel/object.h"
#include "policy/rule.h"

namespace fwctl::engine {
namespace {

using net::Interface;

// The interfaces of a pattern, or the one of that name. A pattern leaves loopback out: it has to be named.
Status add_matching(const std::vector<Interface>& all, const std::string& wanted,
                    std::vector<Target>& targets) {
    const std::size_t before = targets.size();
    for (const Interface& interface : all)
        if (policy::is_pattern(wanted)
                ? !interface.loopback && policy::interface_matches(wanted, interface.name)
                : interface.name == wanted)
            targets.push_back({interface, 0});
    if (targets.size() > before) return {};
    if (policy::is_pattern(wanted)) return fail(fmt::format("no interface matches \"{}\"", wanted));
    return fail(fmt::format("there is no interface \"{}\"", wanted));
}

// The ports of the bridges among the targets, in front of them.
Status add_peers(const std::vector<Interface>& all, std::vector<Target>& targets) {
    std::vector<Target> peers;
    for (const Target& bridge : targets) {
        if (bridge.interface.kind != "bridge")
            return fail(fmt::format("--isolate-peers is for bridges, and {} is none", bridge.interface.name),
                        Exit::kUsage);
        for (const Interface& interface : all)
            if (interface.master == bridge.interface.ifindex)
                peers.push_back({interface, bridge.interface.ifindex});
    }
    targets.insert(targets.begin(), peers.begin(), peers.end());
    return {};
}

}  // namespace

Result<std::vector<Target>> find_targets(const std::vector<Interface>& all, const AttachRequest& request) {
    std::vector<Target> targets;
    for (const std::string& wanted : request.interfaces)
        if (auto found = add_matching(all, wanted, targets); !found) return tl::unexpected(found.error());
    if (request.isolate_peers)
        if (auto peers = add_peers(all, targets); !peers) return tl::unexpected(peers.error());
    std::set<int> seen;
    std::erase_if(targets,
                  [&](const Target& target) { return !seen.insert(target.interface.ifindex).second; });
    return targets;
}

void set_name(fw_attachment& record, const std::string& name) {
    std::memset(record.name, 0, sizeof(record.name));
    std::memcpy(record.name, name.data(), std::min(name.size(), sizeof(record.name) - 1));
}

void set_label(fw_attachment& record, const std::string& label) {
    std::memset(record.label, 0, sizeof(record.label));
    std::memcpy(record.label, label.data(), std::min(label.size(), sizeof(record.label) - 1));
}

namespace {

// A slot without a record may still be that of a program: on a device that was moved to another network
// namespace.
Result<std::uint32_t> free_slot(const Writing& writing, const std::vector<Work>& work) {
    std::set<std::uint32_t> used = slots_in_use(writing.store);
    for (const Attachment& attachment : writing.state.attachments) used.insert(attachment.slot);
    for (const Work& one : work) used.insert(one.attachment.slot);
    for (std::uint32_t slot = 0; slot < FW_MAX_ATTACHMENTS; ++slot)
        if (!used.contains(slot)) return slot;
    return fail(fmt::format("the limit of {} attachments is reached", +FW_MAX_ATTACHMENTS));
}

// What is asked for must be what is there; anything else is a detach and an attach, with an instant between
// that the user must want.
Status check_same(const Attachment& there, const AttachRequest& request, bool is_peer) {
    const auto conflict = [&](const std::string& what) {
        return fail(fmt::format("{} is attached {}; to change that: fwctl detach {}", there.name(), what,
                                there.name()),
                    Exit::kConflict);
    };
    if (is_peer) return {};
    if (request.hooks != 0 && request.hooks != there.record.hooks)
        return conflict("at " + hook_list(there.record.hooks));
    if ((there.record.flags & FW_ATTACHMENT_REPLACES) != 0) return {};  // did not get to its mode
    const auto mode = static_cast<kernel::XdpMode>(there.record.xdp_mode);
    if (request.mode == WantedMode::kNative && mode != kernel::XdpMode::kNative)
        return conflict(mode == kernel::XdpMode::kNone ? "without XDP" : "in generic mode");
    if (request.mode == WantedMode::kGeneric && mode != kernel::XdpMode::kGeneric)
        return conflict(mode == kernel::XdpMode::kNone ? "without XDP" : "in native mode");
    return {};
}

// The mode that it had, so that a repair does not change it.
void keep_mode(Work& work) {
    const auto had = static_cast<kernel::XdpMode>(work.attachment.record.xdp_mode);
    if (work.mode != WantedMode::kAuto || had == kernel::XdpMode::kNone) return;
    work.mode = had == kernel::XdpMode::kNative ? WantedMode::kNative : WantedMode::kGeneric;
}

bool is_there_under_another_name(const Writing& writing, const Attachment& attachment) {
    const Interface* now = net::find_interface(writing.state.interfaces, attachment.ifindex());
    if (now == nullptr || now->name == attachment.name()) return false;
    const auto still = has_any_hook(writing.store, attachment);
    return still && *still;
}

// What is left to do for an interface that is attached already.
Result<Work> plan_again(const Writing& writing, const AttachRequest& request, const Target& target,
                        const Attachment& there, const Choice& choice) {
    Work work{target, there, AttachChange::kUnchanged, request.mode};
    fw_attachment& record = work.attachment.record;
    const bool was_peer = record.peer_of != 0;
    const bool is_peer = target.peer_of != 0;
    if (was_peer && is_peer)
        record.peer_of = static_cast<std::uint32_t>(target.peer_of);  // of a bridge made anew
    if (was_peer && !is_peer) {  // now it is wanted for itself: with its way out, too
        record.peer_of = 0;
        record.hooks |= choice.hooks & FW_HOOK_TC_OUT;
    }
    work.gets_ready = request.rewrites && !is_ready_to_rewrite(record);
    if (auto same = check_same(work.attachment, request, is_peer); !same) return tl::unexpected(same.error());
    if (record.name != target.interface.name) {
        set_name(record, target.interface.name);
        work.renamed_from = there.name();
        const Attachment* old = writing.state.find(target.interface.name);
        if (old != nullptr && !is_there_under_another_name(writing, *old)) work.retired = *old;
    }
    if (request.replace) record.flags |= FW_ATTACHMENT_REPLACES;
    if (!request.label.empty()) set_label(record, request.label);
    auto hooks = inspect_hooks(writing.store, work.attachment);
    if (!hooks) return tl::unexpected(hooks.error());
    const bool overtaken = std::any_of(hooks->begin(), hooks->end(),
                                       [](const HookState& hook) { return hook.overtaken && hook.by_link; });
    if (!all_present(*hooks) || overtaken || (work.gets_ready && lacks_tc_in(record)) ||
        record.peer_of != there.record.peer_of)
        work.change = AttachChange::kRepaired;
    else if (work.gets_ready || record.build != kernel::build_id())
        work.change = AttachChange::kUpdated;
    keep_mode(work);
    return work;
}

// The attachment that is on the interface, whatever the interface was called then. Its program tells it from
// one whose device is gone and whose index was given to another.
Result<const Attachment*> attachment_on(const Writing& writing, const Interface& interface) {
    for (const Attachment& attachment : writing.state.attachments) {
        if (attachment.ifindex() != interface.ifindex) continue;
        if (attachment.name() == interface.name) return &attachment;
        auto still = has_any_hook(writing.store, attachment);
        if (!still) return tl::unexpected(still.error());
        if (*still) return &attachment;
    }
    return nullptr;
}

// A new attachment. One of the same name whose device is gone gives way to it, and hands on what was asked
// for.
Result<Work> plan_new(const Writing& writing, const Target& target, const Choice& choice,
                      const AttachRequest& request, const std::vector<Work>& before) {
    Work work{target, {}, AttachChange::kAttached, choice.mode};
    auto slot = free_slot(writing, before);
    if (!slot) return tl::unexpected(slot.error());
    work.is_new = true;
    work.attachment.slot = *slot;
    fw_attachment& record = work.attachment.record;
    record.ifindex = static_cast<std::uint32_t>(target.interface.ifindex);
    record.peer_of = static_cast<std::uint32_t>(target.peer_of);
    record.flags = request.replace ? FW_ATTACHMENT_REPLACES : 0;
    if (target.interface.kind.empty() && !target.interface.loopback) record.flags |= FW_ATTACHMENT_WIRE;
    record.hooks = choice.hooks;
    if (request.hooks != 0) record.flags |= FW_ATTACHMENT_HOOKS_NAMED;
    if (request.rewrites) record.flags |= FW_ATTACHMENT_REWRITES;
    record.link = target.interface.link == net::LinkLayer::kIp ? FW_LINK_IP : FW_LINK_ETHERNET;
    record.build = kernel::build_id();
    set_name(record, target.interface.name);
    set_label(record, request.label);
    const Attachment* old = writing.state.find(target.interface.name);
    if (old == nullptr || is_there_under_another_name(writing, *old)) return work;
    work.change = AttachChange::kRepaired;
    work.retired = *old;
    if (old->record.link == record.link && request.hooks == 0 && request.mode == WantedMode::kAuto) {
        record.hooks = old->record.hooks;
        record.flags |= old->record.flags & FW_ATTACHMENT_HOOKS_NAMED;
        record.xdp_mode = old->record.xdp_mode;
        if (request.rewrites && lacks_tc_in(record)) record.hooks |= FW_HOOK_TC_IN;
        keep_mode(work);
    }
    return work;
}

}  // namespace

Result<Work> plan(const Writing& writing, const AttachRequest& request, const Target& target,
                  const std::vector<Work>& before) {
    auto choice =
        choose(target.interface, {request.mode, request.hooks, target.peer_of != 0, request.rewrites});
    if (!choice) return tl::unexpected(choice.error());
    auto there = attachment_on(writing, target.interface);
    if (!there) return tl::unexpected(there.error());
    if (*there != nullptr) return plan_again(writing, request, target, **there, *choice);
    return plan_new(writing, target, *choice, request, before);
}

}  // namespace fwctl::engine
