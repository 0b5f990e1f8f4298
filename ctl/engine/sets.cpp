#include "engine/sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "engine/library.h"
#include "engine/running.h"
#include "engine/session.h"
#include "kernel/bpffs.h"

namespace fwctl::engine {
namespace {

tl::unexpected<Error> nothing_attached() {
    return fail("nothing is attached; start with: fwctl attach IF", Exit::kNotAttached);
}

struct Editing {
    Lock lock;
    Store store;
};

// Neither the rules nor the library are looked at: a ban is to take effect at once.
Result<Editing> open_to_edit() {
    auto paths = current_paths();
    if (!paths) return tl::unexpected(paths.error());
    if (auto visible = kernel::check_bpffs(); !visible) return tl::unexpected(visible.error());
    if (!kernel::bpffs_mounted()) return nothing_attached();
    auto lock = Lock::acquire(*paths);
    if (!lock) return tl::unexpected(lock.error());
    auto store = Store::open(*paths);
    if (!store) return tl::unexpected(store.error());
    if (!*store) return nothing_attached();
    (*store)->set_tables().take_program_from(paths->directory);
    return Editing{std::move(*lock), std::move(**store)};
}

Result<policy::Policy> running_policy(const Store& store) {
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto running = load_running(*library, state->main);
    if (!running) return tl::unexpected(running.error());
    return std::move(running->policy);
}

// Why there is no dynamic set of that name.
tl::unexpected<Error> no_such_set(const Store& store, const SetRequest& request) {
    const auto running = running_policy(store);
    const policy::Set* fixed = running ? running->find_set(request.set) : nullptr;
    if (fixed != nullptr)
        return fail(fmt::format("the set \"{}\" is not dynamic: change {} and apply the policy", request.set,
                                fixed->file.empty() ? "its elements in the policy" : fixed->file),
                    Exit::kUsage);
    if (request.is_ban)
        return fail(
            fmt::format("the running policy has no dynamic set \"{0}\" to put bans into; add to it, and "
                        "apply it:\n"
                        "    [set.{0}]\n    dynamic = true\n\n"
                        "    [[rule]]\n    name = \"banned\"\n    action = \"deny\"\n    from = \"@{0}\"",
                        request.set),
            Exit::kUsage);
    std::vector<std::string> names;
    for (const DynamicSet& set : store.dynamic_sets()) names.push_back(set.name);
    const std::vector<std::string_view> known(names.begin(), names.end());
    const auto near = nearest(request.set, known);
    return fail(fmt::format("the running policy has no set \"{}\"{}", request.set,
                            near ? fmt::format("; did you mean \"{}\"?", *near) : "; see: fwctl set list"),
                Exit::kUsage);
}

std::optional<DynamicSet> find_dynamic(const Store& store, const std::string& name) {
    for (DynamicSet& set : store.dynamic_sets())
        if (set.name == name) return std::move(set);
    return std::nullopt;
}

SetView view_of(const Store& store, const DynamicSet& set, std::size_t members) {
    const fw_set& held = store.set_tables().set(set.number);
    SetView view;
    view.name = set.name;
    view.kind = "dynamic";
    view.members = members;
    view.size = set.size;
    view.timeout = set.timeout;
    view.banned = held.put;
    view.replaced = held.replaced;
    view.refused = held.refused + held.busy;
    view.bytes = store.set_tables().bytes(set.number);
    return view;
}

SetView view_of(const policy::Set& set) {
    SetView view;
    view.name = set.name;
    view.kind = set.file.empty() ? "elements" : "file";
    view.file = set.file;
    view.members = set.elements.size();
    return view;
}

struct Looking {
    Reading reading;
    policy::Policy running;
};

Result<Looking> open_to_look() {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return nothing_attached();
    auto running = running_policy((*reading)->store);
    if (!running) return tl::unexpected(running.error());
    return Looking{std::move(**reading), std::move(*running)};
}

Result<EditCounts> carry_out(const SetMembers& members, const SetRequest& request, std::uint64_t expires) {
    if (request.dry_run) {
        const bool removes = request.edit == SetEdit::kRemove;
        if (request.edit == SetEdit::kAdd || removes)
            return members.rehearse(request.members, removes ? std::nullopt : std::optional(expires));
        auto count = members.count();
        if (!count) return tl::unexpected(count.error());
        return EditCounts{request.edit == SetEdit::kFlush ? *count : request.members.size(), 0, 0, 0, 0};
    }
    if (auto settled = members.settle(); !settled) return tl::unexpected(settled.error());
    if (request.edit == SetEdit::kAdd) return members.add(request.members, expires);
    if (request.edit == SetEdit::kRemove) return members.remove(request.members);
    const bool flushes = request.edit == SetEdit::kFlush;
    auto count = members.count();
    if (!count) return tl::unexpected(count.error());
    const Status done = flushes ? members.flush() : members.replace(request.members, expires);
    if (!done) return tl::unexpected(done.error());
    return EditCounts{flushes ? *count : request.members.size(), 0, 0, 0, 0};
}

}  // namespace

Result<std::vector<SetView>> list_sets() {
    auto looking = open_to_look();
    if (!looking) return tl::unexpected(looking.error());
    const Store& store = looking->reading.store;
    std::vector<SetView> views;
    for (const DynamicSet& set : store.dynamic_sets()) {
        auto count = store.members(set).count();
        if (!count) return tl::unexpected(count.error());
        views.push_back(view_of(store, set, *count));
    }
    for (const policy::Set& set : looking->running.sets)
        if (!set.dynamic) views.push_back(view_of(set));
    std::sort(views.begin(), views.end(),
              [](const SetView& one, const SetView& other) { return one.name < other.name; });
    return views;
}

Result<SetContents> show_set(const std::string& name) {
    auto looking = open_to_look();
    if (!looking) return tl::unexpected(looking.error());
    const Store& store = looking->reading.store;
    if (const auto set = find_dynamic(store, name)) {
        auto members = store.members(*set).list();
        if (!members) return tl::unexpected(members.error());
        return SetContents{view_of(store, *set, members->size()), std::move(*members)};
    }
    const policy::Set* fixed = looking->running.find_set(name);
    if (fixed == nullptr) {
        SetRequest request;
        request.set = name;
        return no_such_set(store, request);
    }
    SetContents contents{view_of(*fixed), {}};
    for (const policy::Prefix& prefix : fixed->elements) contents.members.push_back({prefix, 0});
    return contents;
}

Result<SetOutcome> edit_set(const SetRequest& request) {
    auto editing = open_to_edit();
    if (!editing) return tl::unexpected(editing.error());
    const auto set = find_dynamic(editing->store, request.set);
    if (!set) return no_such_set(editing->store, request);
    SetOutcome outcome;
    outcome.size = set->size;
    outcome.lasts = request.lasts.value_or(set->timeout);
    const std::uint64_t expires =
        outcome.lasts.count() == 0
            ? 0
            : monotonic_now() + static_cast<std::uint64_t>(outcome.lasts.count()) * 1'000'000'000;
    const SetMembers members = editing->store.members(*set);
    outcome.blocks_limit = members.blocks_limit();
    auto counts = carry_out(members, request, expires);
    if (!counts) return tl::unexpected(counts.error());
    outcome.counts = *counts;
    return outcome;
}

}  // namespace fwctl::engine
