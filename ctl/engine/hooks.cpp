#include "engine/hooks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include "kernel/object.h"
#include "kernel/program.h"
#include "kernel/tc.h"
#include "net/interface.h"

namespace fwctl::engine {
namespace {

using kernel::ProgramKind;
using kernel::TcDirection;
using kernel::XdpMode;

constexpr std::array kHooks = {FW_HOOK_XDP, FW_HOOK_TC_IN, FW_HOOK_TC_OUT};

TcDirection direction_of(fw_hook hook) {
    return hook == FW_HOOK_TC_IN ? TcDirection::kIngress : TcDirection::kEgress;
}

ProgramKind kind_of(fw_hook hook) {
    switch (hook) {
        case FW_HOOK_XDP:
            return ProgramKind::kXdp;
        case FW_HOOK_TC_IN:
            return ProgramKind::kTcIn;
        case FW_HOOK_TC_OUT:
            break;
    }
    return ProgramKind::kTcOut;
}

Result<kernel::Object> object_for(const Store& store, const Attachment& attachment, fw_hook hook) {
    kernel::ProgramConfig config;
    config.slot = attachment.slot;
    config.link = static_cast<fw_link>(attachment.record.link);
    return kernel::Object::open(kind_of(hook), config, store.paths());
}

bool is_ours(const Store& store, std::uint32_t program_id) {
    const auto info = kernel::program_info_of(program_id);
    return info && info->uses_map(store.control_id());
}

Result<HookState> inspect_xdp(const Store& store, const Attachment& attachment) {
    HookState state;
    state.hook = FW_HOOK_XDP;
    auto now = kernel::query_xdp(attachment.ifindex());
    if (!now) return tl::unexpected(now.error());
    for (const kernel::XdpProgram& program : now->programs) {
        if (!is_ours(store, program.id)) continue;
        state.present = true;
        state.program_id = program.id;
        state.mode = now->mode;
        state.shared = now->dispatcher;
    }
    return state;
}

Result<HookState> inspect_tc(const Store& store, const Attachment& attachment, fw_hook hook) {
    HookState state;
    state.hook = hook;
    auto link = kernel::pinned_tcx(store.paths().link(attachment.slot, hook == FW_HOOK_TC_OUT));
    if (!link) return tl::unexpected(link.error());
    if (*link && (*link)->ifindex == attachment.ifindex()) {
        state.present = true;
        state.by_link = true;
        state.program_id = (*link)->program_id;
        return state;
    }
    const auto filter = kernel::query_filter(attachment.ifindex(), direction_of(hook));
    if (filter && is_ours(store, *filter)) {
        state.present = true;
        state.program_id = *filter;
    }
    return state;
}

// The device answers whether it has a native mode: asking costs nothing where it has none.
Status attach_xdp(const Store& store, Attachment& attachment, WantedMode wanted, XdpMode shared_mode) {
    std::vector<XdpMode> modes = {XdpMode::kNative, XdpMode::kGeneric};
    if (wanted == WantedMode::kNative) modes = {XdpMode::kNative};
    if (wanted == WantedMode::kGeneric) modes = {XdpMode::kGeneric};
    if (wanted == WantedMode::kAuto && shared_mode != XdpMode::kNone) modes = {shared_mode};

    Status last;
    for (const XdpMode mode : modes) {
        auto object = object_for(store, attachment, FW_HOOK_XDP);
        if (!object) return tl::unexpected(object.error());
        const auto attached = kernel::attach_xdp(*object, attachment.ifindex(), mode);
        if (attached) {
            attachment.record.xdp_mode = static_cast<std::uint8_t>(mode);
            store.write_record(attachment);
            return {};
        }
        last = tl::unexpected(attached.error());
        if (attached.error().exit == Exit::kConflict) break;
    }
    if (wanted == WantedMode::kNative) return context("native XDP", last.error());
    return last;
}

// The qdisc is noted as ours before it is made, so that a command that is killed between leaves no qdisc
// behind.
Status attach_by_filter(const Store& store, Attachment& attachment, fw_hook hook, int program_fd) {
    auto exists = net::has_clsact(attachment.ifindex());
    if (!exists) return tl::unexpected(exists.error());
    if (!*exists) {
        attachment.record.flags |= FW_ATTACHMENT_CLSACT_OURS;
        store.write_record(attachment);
        if (auto made = kernel::make_clsact(attachment.ifindex()); !made) return tl::unexpected(made.error());
    }
    return kernel::attach_filter(attachment.ifindex(), direction_of(hook), program_fd);
}

Status attach_tc(const Store& store, Attachment& attachment, fw_hook hook) {
    auto object = object_for(store, attachment, hook);
    if (!object) return tl::unexpected(object.error());
    if (auto loaded = object->load(); !loaded) return loaded;
    const std::string pin = store.paths().link(attachment.slot, hook == FW_HOOK_TC_OUT);
    if (auto gone = kernel::detach_tcx(pin); !gone) return gone;  // of an interface that is gone
    auto linked = kernel::attach_tcx(attachment.ifindex(), direction_of(hook), object->program_fd(), pin);
    if (!linked) return tl::unexpected(linked.error());
    if (*linked) return {};
    return attach_by_filter(store, attachment, hook, object->program_fd());
}

std::string foreign_programs(const kernel::XdpState& state) {
    std::string names;
    for (const kernel::XdpProgram& program : state.programs)
        names += fmt::format("{}{} (id {})", names.empty() ? "" : ", ", program.name, program.id);
    return names;
}

}  // namespace

Result<std::vector<HookState>> inspect_hooks(const Store& store, const Attachment& attachment) {
    std::vector<HookState> states;
    for (const fw_hook hook : kHooks) {
        if ((attachment.record.hooks & hook) == 0) continue;
        auto state =
            hook == FW_HOOK_XDP ? inspect_xdp(store, attachment) : inspect_tc(store, attachment, hook);
        if (!state) return tl::unexpected(state.error());
        states.push_back(*state);
    }
    return states;
}

bool all_present(const std::vector<HookState>& hooks) {
    return std::all_of(hooks.begin(), hooks.end(), [](const HookState& hook) { return hook.present; });
}

Status attach_missing(const Store& store, Attachment& attachment, WantedMode mode, bool skip_occupied) {
    auto hooks = inspect_hooks(store, attachment);
    if (!hooks) return tl::unexpected(hooks.error());
    for (const HookState& hook : *hooks) {
        if (hook.present) continue;
        if (hook.hook != FW_HOOK_XDP) {
            if (auto attached = attach_tc(store, attachment, hook.hook); !attached) return attached;
            continue;
        }
        auto now = kernel::query_xdp(attachment.ifindex());
        if (!now) return tl::unexpected(now.error());
        if (!now->programs.empty() && !now->dispatcher) {
            if (skip_occupied) continue;
            return fail(fmt::format("another XDP program is attached: {}; --replace puts fwctl in its place",
                                    foreign_programs(*now)),
                        Exit::kConflict);
        }
        if (auto attached = attach_xdp(store, attachment, mode, now->mode); !attached) return attached;
    }
    return {};
}

Status replace_foreign(const Store& store, Attachment& attachment) {
    auto now = kernel::query_xdp(attachment.ifindex());
    if (!now) return tl::unexpected(now.error());
    if (now->programs.empty() || now->dispatcher || is_ours(store, now->programs.front().id)) return {};
    auto object = object_for(store, attachment, FW_HOOK_XDP);
    if (!object) return tl::unexpected(object.error());
    auto exchanged = kernel::exchange_xdp(*object, attachment.ifindex(), *now, now->programs.front().id);
    if (!exchanged) return tl::unexpected(exchanged.error());
    attachment.record.xdp_mode = static_cast<std::uint8_t>(now->mode);
    store.write_record(attachment);
    return {};
}

Status update_programs(const Store& store, Attachment& attachment) {
    auto hooks = inspect_hooks(store, attachment);
    if (!hooks) return tl::unexpected(hooks.error());
    for (const HookState& hook : *hooks) {
        if (!hook.present) continue;
        auto object = object_for(store, attachment, hook.hook);
        if (!object) return tl::unexpected(object.error());
        if (hook.hook == FW_HOOK_XDP) {
            auto now = kernel::query_xdp(attachment.ifindex());
            if (!now) return tl::unexpected(now.error());
            auto exchanged = kernel::exchange_xdp(*object, attachment.ifindex(), *now, hook.program_id);
            if (!exchanged) return tl::unexpected(exchanged.error());
            continue;
        }
        if (auto loaded = object->load(); !loaded) return loaded;
        const bool egress = hook.hook == FW_HOOK_TC_OUT;
        auto exchanged =
            hook.by_link
                ? kernel::exchange_tcx(store.paths().link(attachment.slot, egress), object->program_fd())
                : kernel::attach_filter(attachment.ifindex(), direction_of(hook.hook), object->program_fd());
        if (!exchanged) return exchanged;
    }
    attachment.record.build = kernel::build_id();
    store.write_record(attachment);
    return {};
}

Status remove_hooks(const Store& store, const Attachment& attachment) {
    for (const bool egress : {false, true})
        if (auto gone = kernel::detach_tcx(store.paths().link(attachment.slot, egress)); !gone) return gone;

    const auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    if (net::find_interface(*interfaces, attachment.ifindex()) != nullptr) {
        auto hooks = inspect_hooks(store, attachment);
        if (!hooks) return tl::unexpected(hooks.error());
        for (const HookState& hook : *hooks) {
            if (!hook.present) continue;
            auto removed = hook.hook == FW_HOOK_XDP
                               ? kernel::detach_xdp(attachment.ifindex(), hook.program_id)
                               : kernel::detach_filter(attachment.ifindex(), direction_of(hook.hook));
            if (!removed) return removed;
        }
        if ((attachment.record.flags & FW_ATTACHMENT_CLSACT_OURS) != 0) {
            auto used = net::has_tc_filters(attachment.ifindex());
            if (used && !*used)
                if (auto removed = kernel::remove_clsact(attachment.ifindex()); !removed) return removed;
        }
    }
    std::error_code ignored;
    std::filesystem::remove(store.paths().counters(attachment.slot), ignored);
    return {};
}

const char* hook_name(fw_hook hook) {
    switch (hook) {
        case FW_HOOK_XDP:
            return "xdp";
        case FW_HOOK_TC_IN:
            return "tc-in";
        case FW_HOOK_TC_OUT:
            return "tc-out";
    }
    return "";
}

}  // namespace fwctl::engine
