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

Result<kernel::Object> object_for(const Store& store, const Attachment& attachment, fw_hook hook,
                                  XdpMode mode = XdpMode::kNone) {
    return kernel::Object::open(program_kind(hook), program_config(attachment, hook, mode), store.paths());
}

bool is_ours(const Store& store, const Attachment& attachment, std::uint32_t program_id) {
    const auto info = kernel::program_info_of(program_id);
    return info && info->uses_map(store.control_id()) && kernel::slot_of(*info) == attachment.slot;
}

Result<HookState> inspect_xdp(const Store& store, const Attachment& attachment) {
    HookState state;
    state.hook = FW_HOOK_XDP;
    auto now = kernel::query_xdp(attachment.ifindex());
    if (!now) return tl::unexpected(now.error());
    for (const kernel::XdpProgram& program : now->programs)
        if (is_ours(store, attachment, program.id)) state.program_ids.push_back(program.id);
    if (state.present()) {
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
        // An index means something in its own namespace alone: a device that was moved keeps the link, and
        // ours may have its index.
        const auto order = kernel::query_tcx(attachment.ifindex(), direction_of(hook));
        const auto place = std::find(order.begin(), order.end(), (*link)->program_id);
        state.by_link = true;
        if (place != order.end()) state.program_ids = {*place};
        state.overtaken = place != order.end() && place != order.begin();
        return state;
    }
    const auto filter = kernel::query_filter(attachment.ifindex(), direction_of(hook));
    if (filter && is_ours(store, attachment, *filter)) {
        state.program_ids = {*filter};
        auto first = net::first_tc_filter(attachment.ifindex(), hook == FW_HOOK_TC_OUT);
        if (!first) return tl::unexpected(first.error());
        state.overtaken = *first && **first != kernel::kFilterHandle;
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
        auto object = object_for(store, attachment, FW_HOOK_XDP, mode);
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
        if (auto made = kernel::make_clsact(attachment.ifindex()); !made) {
            attachment.record.flags &= ~static_cast<unsigned>(FW_ATTACHMENT_CLSACT_OURS);
            store.write_record(attachment);
            return made;
        }
    }
    return kernel::attach_filter(attachment.ifindex(), direction_of(hook), program_fd);
}

Status attach_tc(const Store& store, Attachment& attachment, fw_hook hook) {
    auto object = object_for(store, attachment, hook);
    if (!object) return tl::unexpected(object.error());
    if (auto loaded = object->load(); !loaded) return loaded;
    const std::string pin = store.paths().link(attachment.slot, hook == FW_HOOK_TC_OUT);
    for (const std::string& old :
         {pin, pin + "-new"})  // of an interface that is gone, of a command that was killed
        if (auto gone = kernel::detach_tcx(old); !gone) return gone;
    auto linked = kernel::attach_tcx(attachment.ifindex(), direction_of(hook), object->program_fd(), pin);
    if (!linked) return tl::unexpected(linked.error());
    if (*linked) return {};
    return attach_by_filter(store, attachment, hook, object->program_fd());
}

// Attaches once more, in front of all others, before the link that was overtaken goes.
Status to_the_front(const Store& store, const Attachment& attachment, fw_hook hook) {
    auto object = object_for(store, attachment, hook);
    if (!object) return tl::unexpected(object.error());
    if (auto loaded = object->load(); !loaded) return loaded;
    const std::string pin = store.paths().link(attachment.slot, hook == FW_HOOK_TC_OUT);
    if (auto gone = kernel::detach_tcx(pin + "-new"); !gone) return gone;  // of a command that did not finish
    auto linked =
        kernel::attach_tcx(attachment.ifindex(), direction_of(hook), object->program_fd(), pin + "-new");
    if (!linked) return tl::unexpected(linked.error());
    if (auto gone = kernel::detach_tcx(pin); !gone) return gone;
    std::error_code error;
    std::filesystem::rename(pin + "-new", pin, error);
    if (error) return fail(fmt::format("cannot rename the pin {}: {}", pin, error.message()));
    return {};
}

std::string foreign_programs(const kernel::XdpState& state) {
    std::string names;
    for (const kernel::XdpProgram& program : state.programs)
        names += fmt::format("{}{} (id {})", names.empty() ? "" : ", ", program.name, program.id);
    return names;
}

// The exchange keeps the mode of the program that is there, so that has to be the mode that was asked for.
Status check_mode(const kernel::XdpState& now, WantedMode wanted) {
    const bool fits = wanted == WantedMode::kAuto ||
                      (wanted == WantedMode::kNative && now.mode == XdpMode::kNative) ||
                      (wanted == WantedMode::kGeneric && now.mode == XdpMode::kGeneric);
    if (fits) return {};
    return fail(
        fmt::format(
            "the XDP program that is attached ({}) runs in another mode, which --replace cannot change",
            foreign_programs(now)),
        Exit::kConflict);
}

}  // namespace

bool lacks_tc_in(const fw_attachment& record) {
    return (record.flags & FW_ATTACHMENT_HOOKS_NAMED) == 0 && (record.hooks & FW_HOOK_XDP) != 0 &&
           (record.hooks & FW_HOOK_TC_IN) == 0;
}

kernel::ProgramConfig program_config(const Attachment& attachment, fw_hook hook, XdpMode mode) {
    const fw_attachment& record = attachment.record;
    const bool both = (record.hooks & FW_HOOK_XDP) != 0 && (record.hooks & FW_HOOK_TC_IN) != 0;
    kernel::ProgramConfig config;
    config.slot = attachment.slot;
    config.link = static_cast<fw_link>(record.link);
    config.rewrites = (record.flags & FW_ATTACHMENT_REWRITES) != 0;
    config.may_rewrite = mode == XdpMode::kNative && (record.flags & FW_ATTACHMENT_WIRE) != 0;
    config.hands_on = both && hook == FW_HOOK_XDP;
    config.behind_xdp = both && hook == FW_HOOK_TC_IN;
    config.proxies = (record.hooks & FW_HOOK_TC_IN) != 0 && (record.hooks & FW_HOOK_TC_OUT) != 0;
    return config;
}

Result<std::vector<HookState>> inspect_hooks(const Store& store, const Attachment& attachment,
                                             bool everywhere) {
    std::vector<HookState> states;
    for (const fw_hook hook : kHooks) {
        if (!everywhere && (attachment.record.hooks & hook) == 0) continue;
        auto state =
            hook == FW_HOOK_XDP ? inspect_xdp(store, attachment) : inspect_tc(store, attachment, hook);
        if (!state) return tl::unexpected(state.error());
        states.push_back(std::move(*state));
    }
    return states;
}

Result<bool> has_any_hook(const Store& store, const Attachment& attachment) {
    auto hooks = inspect_hooks(store, attachment);
    if (!hooks) return tl::unexpected(hooks.error());
    return std::any_of(hooks->begin(), hooks->end(), [](const HookState& hook) { return hook.present(); });
}

std::uint8_t hook_for(const Attachment& attachment, fw_direction direction) {
    const std::uint8_t hooks = attachment.record.hooks;
    if (direction == FW_OUT) return hooks & FW_HOOK_TC_OUT;
    return hooks & ((hooks & FW_HOOK_XDP) != 0 ? FW_HOOK_XDP : FW_HOOK_TC_IN);
}

bool all_present(const std::vector<HookState>& hooks) {
    return std::all_of(hooks.begin(), hooks.end(), [](const HookState& hook) { return hook.present(); });
}

Status attach_missing(const Store& store, Attachment& attachment, WantedMode mode, bool leave_foreign) {
    auto hooks = inspect_hooks(store, attachment);
    if (!hooks) return tl::unexpected(hooks.error());
    for (const HookState& hook : *hooks) {
        if (hook.overtaken && hook.by_link) {
            if (auto first = to_the_front(store, attachment, hook.hook); !first) return first;
        }
        if (hook.present()) continue;
        if (hook.hook != FW_HOOK_XDP) {
            if (auto attached = attach_tc(store, attachment, hook.hook); !attached) return attached;
            continue;
        }
        auto now = kernel::query_xdp(attachment.ifindex());
        if (!now) return tl::unexpected(now.error());
        if (!now->programs.empty() && !now->dispatcher) {
            if (leave_foreign) {
                if (auto same = check_mode(*now, mode); !same) return same;
                continue;
            }
            return fail(fmt::format("another XDP program is attached: {}; --replace puts fwctl in its place",
                                    foreign_programs(*now)),
                        Exit::kConflict);
        }
        if (auto attached = attach_xdp(store, attachment, mode, now->mode); !attached) return attached;
    }
    return {};
}

Result<Replaced> replace_foreign(const Store& store, Attachment& attachment) {
    Replaced replaced;
    if ((attachment.record.hooks & FW_HOOK_XDP) == 0) return replaced;
    auto now = kernel::query_xdp(attachment.ifindex());
    if (!now) return tl::unexpected(now.error());
    if (now->programs.empty() || now->dispatcher) return replaced;
    const std::uint32_t old = now->programs.front().id;
    if (is_ours(store, attachment, old)) return replaced;
    auto program = kernel::open_program(old);
    if (!program) return tl::unexpected(program.error());
    auto object = object_for(store, attachment, FW_HOOK_XDP, now->mode);
    if (!object) return tl::unexpected(object.error());
    auto exchanged = kernel::exchange_xdp(*object, attachment.ifindex(), *now, old);
    if (!exchanged) return tl::unexpected(exchanged.error());
    replaced = {attachment.ifindex(), now->mode, *exchanged, std::move(*program)};
    attachment.record.xdp_mode = static_cast<std::uint8_t>(now->mode);
    store.write_record(attachment);
    return replaced;
}

namespace {

Status update_xdp(const Store& store, const Attachment& attachment, const HookState& hook) {
    auto now = kernel::query_xdp(attachment.ifindex());
    if (!now) return tl::unexpected(now.error());
    auto object = object_for(store, attachment, FW_HOOK_XDP, now->mode);
    if (!object) return tl::unexpected(object.error());
    auto exchanged = kernel::exchange_xdp(*object, attachment.ifindex(), *now, hook.program_ids.front());
    if (!exchanged) return tl::unexpected(exchanged.error());
    for (const std::uint32_t id : hook.program_ids)
        if (auto gone = kernel::detach_xdp(attachment.ifindex(), id); !gone) return gone;
    return {};
}

Status update_tc(const Store& store, const Attachment& attachment, const HookState& hook) {
    auto object = object_for(store, attachment, hook.hook);
    if (!object) return tl::unexpected(object.error());
    if (auto loaded = object->load(); !loaded) return loaded;
    if (!hook.by_link)
        return kernel::exchange_filter(attachment.ifindex(), direction_of(hook.hook), object->program_fd());
    return kernel::exchange_tcx(store.paths().link(attachment.slot, hook.hook == FW_HOOK_TC_OUT),
                                object->program_fd());
}

Status attach_missing_tc_in(const Store& store, Attachment& attachment) {
    if ((attachment.record.hooks & FW_HOOK_TC_IN) == 0) return {};
    auto there = inspect_tc(store, attachment, FW_HOOK_TC_IN);
    if (!there) return tl::unexpected(there.error());
    return there->present() ? Status{} : attach_tc(store, attachment, FW_HOOK_TC_IN);
}

}  // namespace

Status update_programs(const Store& store, Attachment& attachment) {
    auto hooks = inspect_hooks(store, attachment);
    if (!hooks) return tl::unexpected(hooks.error());
    for (const HookState& hook : *hooks) {
        if (!hook.present()) continue;
        auto updated = hook.hook == FW_HOOK_XDP ? update_xdp(store, attachment, hook)
                                                : update_tc(store, attachment, hook);
        if (!updated) return updated;
    }
    attachment.record.build = kernel::build_id();
    store.write_record(attachment);
    return {};
}

bool is_ready_to_rewrite(const fw_attachment& record) {
    return (record.flags & FW_ATTACHMENT_REWRITES) != 0 && !lacks_tc_in(record) && record.build != 0;
}

Status make_ready_to_rewrite(const Store& store, Attachment& attachment) {
    const fw_attachment before = attachment.record;
    if (lacks_tc_in(before)) attachment.record.hooks |= FW_HOOK_TC_IN;
    attachment.record.flags |= FW_ATTACHMENT_REWRITES;
    attachment.record.build = 0;
    store.write_record(attachment);
    if (auto attached = attach_missing_tc_in(store, attachment); !attached) {
        attachment.record = before;
        store.write_record(attachment);
        return attached;
    }
    return update_programs(store, attachment);
}

Status remove_hooks(const Store& store, const Attachment& attachment) {
    for (const bool egress : {false, true}) {
        const std::string pin = store.paths().link(attachment.slot, egress);
        for (const std::string& one : {pin, pin + "-new"})
            if (auto gone = kernel::detach_tcx(one); !gone) return gone;
    }

    const auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    if (net::find_interface(*interfaces, attachment.ifindex()) != nullptr) {
        auto hooks = inspect_hooks(store, attachment, true);
        if (!hooks) return tl::unexpected(hooks.error());
        for (const HookState& hook : *hooks) {
            for (const std::uint32_t id : hook.program_ids) {
                auto removed = hook.hook == FW_HOOK_XDP
                                   ? kernel::detach_xdp(attachment.ifindex(), id)
                                   : kernel::detach_filter(attachment.ifindex(), direction_of(hook.hook));
                if (!removed) return removed;
            }
        }
        if ((attachment.record.flags & FW_ATTACHMENT_CLSACT_OURS) != 0) {
            auto used = net::has_tc_filters(attachment.ifindex());
            if (!used) return tl::unexpected(used.error());
            if (!*used)
                if (auto removed = kernel::remove_clsact(attachment.ifindex()); !removed) return removed;
        }
    }
    std::error_code ignored;
    std::filesystem::remove(store.paths().counters(attachment.slot), ignored);
    return {};
}

Status remove_attachments(const Store& store, std::vector<Attachment> leaving) {
    while (!leaving.empty()) {
        std::vector<Attachment> stay;
        Status refused;
        for (const Attachment& attachment : leaving) {
            if (auto removed = remove_hooks(store, attachment); !removed) {
                refused = context(attachment.name(), removed.error());
                stay.push_back(attachment);
            } else {
                store.erase_record(attachment.slot);
            }
        }
        if (stay.size() == leaving.size()) return refused;
        leaving = std::move(stay);
    }
    return {};
}

std::set<std::uint32_t> slots_in_use(const Store& store) {
    std::set<std::uint32_t> slots;
    for (const kernel::ProgramInfo& program : kernel::programs_using(store.control_id()))
        if (const auto slot = kernel::slot_of(program)) slots.insert(*slot);
    return slots;
}

kernel::ProgramKind program_kind(fw_hook hook) {
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

std::string hook_list(std::uint8_t hooks) {
    std::string names;
    for (const fw_hook hook : kHooks)
        if ((hooks & hook) != 0) names += (names.empty() ? "" : ",") + std::string(hook_name(hook));
    return names;
}

}  // namespace fwctl::engine
