#include "engine/sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "engine/library.h"
#include "engine/running.h"
#include "engine/session.h"
#include "kernel/bpffs.h"

namespace fwctl::engine {
namespace {

struct Editing {
    Lock lock;
    Store store;
};

// What was left in the tables and the trie by edits that were killed, of whichever set.
Status settle_all(const Store& store) {
    for (const DynamicSet& set : store.dynamic_sets()) {
        if (store.set_tables().set(set.number).editing == 0) continue;
        if (auto settled = store.members(set).settle(); !settled) return settled;
    }
    return {};
}

// Neither the rules nor the library are looked at: a ban is to take effect at once.
Result<Editing> open_to_edit(bool dry_run) {
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
    if (!dry_run)
        if (auto settled = settle_all(**store); !settled) return tl::unexpected(settled.error());
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

Result<EditCounts> flush(const SetMembers& members, bool dry_run) {
    auto count = members.count();
    if (!count) return tl::unexpected(count.error());
    if (!dry_run)
        if (auto flushed = members.flush(); !flushed) return tl::unexpected(flushed.error());
    return EditCounts{.done = *count};
}

Result<EditCounts> replace(const SetMembers& members, const std::vector<Member>& list, bool dry_run) {
    const Status done = dry_run ? members.check_room(list) : members.replace(list);
    if (!done) return tl::unexpected(done.error());
    return EditCounts{.done = list.size()};
}

Result<EditCounts> carry_out(const SetMembers& members, const SetRequest& request,
                             const std::vector<Member>& list) {
    const bool dry_run = request.dry_run;
    if (!dry_run)
        if (auto begun = members.begin(); !begun) return tl::unexpected(begun.error());
    switch (request.edit) {
        case SetEdit::kAdd:
            return dry_run ? members.rehearse_add(list) : members.add(list);
        case SetEdit::kRemove:
            return dry_run ? members.rehearse_remove(request.members) : members.remove(request.members);
        case SetEdit::kReplace:
            return replace(members, list, dry_run);
        case SetEdit::kFlush:
            break;
    }
    return flush(members, dry_run);
}

// With their ends; of those of a list that are the same, the one that lasts longest.
std::vector<Member> members_of(const SetRequest& request, std::chrono::seconds lasts) {
    const std::uint64_t now = monotonic_now();
    const auto end_in = [now](std::chrono::seconds time) {
        return time.count() == 0 ? 0 : now + static_cast<std::uint64_t>(time.count()) * 1'000'000'000;
    };
    std::vector<Member> members = members_until(request.members, end_in(lasts));
    for (std::size_t i = 0; i < request.times.size(); ++i) members[i].expires = end_in(request.times[i]);
    if (request.edit != SetEdit::kReplace) return members;
    std::sort(members.begin(), members.end(), [](const Member& one, const Member& other) {
        // As numbers that wrap around, for ever is the latest of all ends.
        return std::tuple(one.prefix, other.expires - 1) < std::tuple(other.prefix, one.expires - 1);
    });
    members.erase(
        std::unique(members.begin(), members.end(),
                    [](const Member& one, const Member& other) { return one.prefix == other.prefix; }),
        members.end());
    return members;
}

std::vector<StillCovered> still_covered(const SetMembers& set, const SetRequest& request) {
    constexpr std::size_t kMost = 10;
    std::vector<StillCovered> covered;
    if (request.edit != SetEdit::kRemove || !set.has_blocks()) return covered;
    std::vector<policy::Prefix> going;  // what a dry run leaves there
    if (request.dry_run) going = request.members;
    std::sort(going.begin(), going.end());
    for (const policy::Prefix& member : request.members) {
        if (covered.size() == kMost) break;
        const auto around = set.block_around(member);
        if (around && !std::binary_search(going.begin(), going.end(), around->prefix))
            covered.push_back({member, around->prefix});
    }
    return covered;
}

}  // namespace

Result<std::vector<SetView>> list_sets() {
    auto looking = open_to_look();
    if (!looking) return tl::unexpected(looking.error());
    const Store& store = looking->reading.store;
    const std::vector<DynamicSet> sets = store.dynamic_sets();
    BlockCounts blocks;  // of all sets at once
    if (std::any_of(sets.begin(), sets.end(),
                    [&](const DynamicSet& set) { return store.members(set).has_blocks(); })) {
        auto counts = store.block_counts();
        if (!counts) return tl::unexpected(counts.error());
        blocks = std::move(*counts);
    }
    std::vector<SetView> views;
    for (const DynamicSet& set : sets) {
        auto count = store.members(set).count(blocks);
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
    auto editing = open_to_edit(request.dry_run);
    if (!editing) return tl::unexpected(editing.error());
    const auto set = find_dynamic(editing->store, request.set);
    if (!set) return no_such_set(editing->store, request);
    SetOutcome outcome;
    outcome.size = set->size;
    outcome.lasts = request.lasts.value_or(set->timeout);
    const SetMembers members = editing->store.members(*set);
    outcome.blocks_limit = members.blocks_limit();
    auto counts = carry_out(members, request, members_of(request, outcome.lasts));
    if (!counts) return tl::unexpected(counts.error());
    outcome.counts = *counts;
    outcome.covered = still_covered(members, request);
    return outcome;
}

}  // namespace fwctl::engine
