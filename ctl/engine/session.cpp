#include "engine/session.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "engine/announce.h"
#include "engine/hooks.h"
#include "engine/library.h"
#include "engine/listener.h"
#include "net/namespace.h"

namespace fwctl::engine {
namespace {

// Attachments that no generation enables belong to a command that did not finish, or to a detach that did not
// get to its end.
// What cannot be taken off yet, as an interface above it is attached, stays: it is in nobody's way.
Status clean_up(Writing& writing) {
    forget_dead_listeners(writing.store);
    std::vector<Attachment>& all = writing.state.attachments;
    std::copy_if(all.begin(), all.end(), std::back_inserter(writing.unfinished),
                 [](const Attachment& attachment) { return !attachment.enabled; });
    std::erase_if(all, [](const Attachment& attachment) { return !attachment.enabled; });
    auto removed = remove_attachments(writing.store, writing.unfinished);
    if (removed) writing.unfinished.clear();
    if (!removed && all.empty())
        return context("cleaning up after a command that did not finish", removed.error());
    return {};
}

Result<Writing> look(Lock lock, Store store) {
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    state->interfaces = std::move(*interfaces);
    return Writing{std::move(lock), std::move(store), std::move(*state), {}};
}

// Behind a trial that has run out the word is put straight first: the other half holds, and stays so.
Result<Writing> begin(Lock lock, Store store) {
    if (const auto left = store.trial_left())
        return fail(fmt::format("a policy is on trial for another {}: fwctl confirm keeps it, fwctl rollback "
                                "ends it",
                                format_duration(*left)),
                    Exit::kConflict);
    if (store.trial_lapsed()) store.end_trial();
    auto writing = look(std::move(lock), std::move(store));
    if (!writing) return writing;
    if (auto clean = clean_up(*writing); !clean) return tl::unexpected(clean.error());
    // Behind a trial that has run out, and a command that was killed; a device that is gone keeps nobody from
    // editing either.
    (void)announce(writing->state);
    // A full disk keeps nobody from editing what the kernel has.
    if (auto library = Library::open()) (void)library->settle(writing->state.main.snapshot);
    return writing;
}

// What the first command of a namespace left, which was killed, or undone as a trial.
void forget(const kernel::StatePaths& paths) {
    remove_state(paths);
    (void)announce(State{});
    if (auto library = Library::open()) library->forget();
}

Result<Writing> open_existing(Result<Writing> (*start)(Lock, Store)) {
    auto paths = current_paths();
    if (!paths) return tl::unexpected(paths.error());
    if (auto visible = kernel::check_bpffs(); !visible) return tl::unexpected(visible.error());
    if (!kernel::bpffs_mounted()) return nothing_attached();
    auto lock = Lock::acquire(*paths);
    if (!lock) return tl::unexpected(lock.error());
    auto store = Store::open(*paths);
    if (!store) return tl::unexpected(store.error());
    if (!*store) {
        forget(*paths);
        return nothing_attached();
    }
    auto writing = start(std::move(*lock), std::move(**store));
    if (writing && writing->state.attachments.empty()) {
        forget(*paths);
        return nothing_attached();
    }
    return writing;
}

}  // namespace

tl::unexpected<Error> nothing_attached() {
    return fail("nothing is attached; start with: fwctl attach IF", Exit::kNotAttached);
}

Result<kernel::StatePaths> current_paths() {
    auto cookie = net::namespace_cookie();
    if (!cookie) return tl::unexpected(cookie.error());
    return kernel::state_paths(*cookie);
}

Result<std::optional<Reading>> open_to_read() {
    auto paths = current_paths();
    if (!paths) return tl::unexpected(paths.error());
    if (auto visible = kernel::check_bpffs(); !visible) return tl::unexpected(visible.error());
    auto lock = Lock::acquire_to_read(*paths);
    if (!lock) return tl::unexpected(lock.error());
    auto store = Store::open(*paths);
    if (!store) return tl::unexpected(store.error());
    if (!*store) return std::nullopt;
    return std::optional<Reading>(Reading{std::move(*lock), std::move(**store)});
}

Result<std::optional<Store>> open_to_peek() {
    auto paths = current_paths();
    if (!paths) return tl::unexpected(paths.error());
    if (auto visible = kernel::check_bpffs(); !visible) return tl::unexpected(visible.error());
    return Store::open(*paths);
}

Result<Writing> open_to_write() {
    return open_existing(begin);
}

Status settle_unfinished() {
    auto writing = open_to_write();
    return writing || writing.error().exit == Exit::kNotAttached ? Status{} : tl::unexpected(writing.error());
}

Result<Writing> open_during_trial() {
    return open_existing(look);
}

Result<Writing> create_to_write() {
    auto paths = current_paths();
    if (!paths) return tl::unexpected(paths.error());
    // The policy of a detach that was killed is not for what is attached from here on.
    if (auto settled = settle_unfinished(); !settled) return tl::unexpected(settled.error());
    if (auto mounted = kernel::ensure_bpffs(); !mounted) return tl::unexpected(mounted.error());
    auto lock = Lock::acquire(*paths);
    if (!lock) return tl::unexpected(lock.error());
    const bool is_new = access(paths->directory.c_str(), F_OK) != 0;
    auto store = Store::create(*paths);
    if (!store) {
        if (is_new) remove_state(*paths);
        return tl::unexpected(store.error());
    }
    return begin(std::move(*lock), std::move(*store));
}

}  // namespace fwctl::engine
