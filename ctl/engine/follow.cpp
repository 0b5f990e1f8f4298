#include "engine/follow.h"

#include <algorithm>
#include <utility>

#include "engine/attach_plan.h"
#include "engine/hooks.h"
#include "engine/library.h"
#include "engine/requests.h"
#include "engine/rewriting.h"
#include "engine/running.h"
#include "engine/session.h"
#include "policy/rule.h"

namespace fwctl::engine {
namespace {

using net::Interface;
using policy::Policy;

// Whether ours are on it; a device of the same name or index may be another one.
Result<bool> is_attached(const Store& store, const State& state, const Interface& interface) {
    for (const Attachment& attachment : state.attachments)
        if (attachment.enabled && attachment.ifindex() == interface.ifindex &&
            attachment.name() == interface.name)
            return has_any_hook(store, attachment);
    return false;
}

// The part of a request that is not done yet; of a bridge with its ports all of it.
Result<AttachRequest> missing_part(const Store& store, const State& state, AttachRequest request) {
    auto targets = find_targets(state.interfaces, request);
    request.interfaces.clear();
    if (!targets) return request;  // nothing matches it for now
    for (const Target& target : *targets) {
        auto attached = is_attached(store, state, target.interface);
        if (!attached) return tl::unexpected(attached.error());
        if (*attached) continue;
        const Interface* wanted = &target.interface;
        if (target.peer_of != 0) wanted = net::find_interface(state.interfaces, target.peer_of);
        if (std::find(request.interfaces.begin(), request.interfaces.end(), wanted->name) ==
            request.interfaces.end())
            request.interfaces.push_back(wanted->name);
    }
    return request;
}

Result<std::vector<AttachRequest>> missing_of(const Store& store, const State& state, const Policy& policy) {
    std::vector<AttachRequest> missing;
    for (const AttachRequest& request : requests_of(policy)) {
        auto part = missing_part(store, state, request);
        if (!part) return tl::unexpected(part.error());
        part->rewrites = part->rewrites || rewrites(state);
        if (!part->interfaces.empty()) missing.push_back(std::move(*part));
    }
    return missing;
}

// Attachments of patterns whose devices are gone: what comes in their place has another name as a rule.
std::vector<Attachment> gone_of(const State& state, const Policy& policy) {
    std::vector<Attachment> gone;
    for (const Attachment& attachment : state.attachments) {
        if (net::find_interface(state.interfaces, attachment.ifindex()) != nullptr) continue;
        const bool of_pattern =
            std::any_of(policy.attachments.begin(), policy.attachments.end(), [&](const policy::Attach& one) {
                return one.name == attachment.label() && policy::is_pattern(one.device);
            });
        if (of_pattern) gone.push_back(attachment);
    }
    return gone;
}

bool is_one_of(const std::vector<Attachment>& all, const Attachment& wanted) {
    return std::any_of(all.begin(), all.end(),
                       [&](const Attachment& one) { return one.slot == wanted.slot; });
}

// Programs that send packets on take only frames to the MAC address that the device had at the last switch.
bool knows_macs(const State& state) {
    return !rewrites(state) ||
           std::all_of(state.attachments.begin(), state.attachments.end(), [&](const Attachment& one) {
               const Interface* device = net::find_interface(state.interfaces, one.ifindex());
               return !one.enabled || device == nullptr || device->mac == one.mac;
           });
}

// Beginning to write has done it, unless it failed.
Result<std::vector<Announced>> announce_missing(const State& state, const AddressChanges& due) {
    if (auto announced = announce(state); !announced) return tl::unexpected(announced.error());
    std::vector<Announced> all = announced_by(state);
    std::erase_if(all, [&](const Announced& one) {
        return std::find(due.take.begin(), due.take.end(), one.address) == due.take.end();
    });
    return all;
}

Result<Followed> catch_up(const Library& library, const AddressChanges& due) {
    auto writing = open_to_write();
    if (!writing) return tl::unexpected(writing.error());
    auto announced = announce_missing(writing->state, due);
    if (!announced) return tl::unexpected(announced.error());
    Followed followed{{}, {}, std::move(*announced)};
    auto loaded = load_running(library, writing->state.main);
    if (!loaded) return tl::unexpected(loaded.error());
    auto missing = missing_of(writing->store, writing->state, loaded->policy);
    if (!missing) return tl::unexpected(missing.error());
    if (missing->empty()) {
        if (knows_macs(writing->state)) return followed;
        auto published = writing->store.publish(writing->state);
        if (!published) return tl::unexpected(published.error());
        return followed;
    }

    std::vector<Attachment> gone;
    auto attached = attach_all(*writing, *missing, [&](State& next) {
        gone = gone_of(next, loaded->policy);
        std::erase_if(next.attachments, [&](const Attachment& one) { return is_one_of(gone, one); });
    });
    if (!attached) return tl::unexpected(attached.error());
    followed.attached = std::move(*attached);
    for (const Attachment& attachment : gone) {
        if (auto removed = remove_hooks(writing->store, attachment); !removed)
            return tl::unexpected(removed.error());
        writing->store.erase_record(attachment.slot);
        followed.forgotten.push_back(attachment.name());
    }
    return followed;
}

Result<Followed> put_right(const Store& store) {
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    state->interfaces = std::move(*interfaces);
    AddressChanges due;
    // What a trial has left is put straight when it is over.
    if (!store.trial_left()) {
        auto changes = due_changes(*state);
        if (!changes) return tl::unexpected(changes.error());
        due = std::move(*changes);
    }
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto loaded = load_running(*library, state->main);
    if (!loaded) return tl::unexpected(loaded.error());
    auto missing = missing_of(store, *state, loaded->policy);
    if (!missing) return tl::unexpected(missing.error());
    return missing->empty() && !due.any() && knows_macs(*state) ? Followed{} : catch_up(*library, due);
}

}  // namespace

Result<Followed> follow(const std::set<int>& risen) {
    auto store = open_to_peek();
    if (!store) return tl::unexpected(store.error());
    if (!*store) return Followed{};
    auto followed = put_right(**store);
    if (auto told = announce_again(risen); !told) return tl::unexpected(told.error());
    return followed;
}

}  // namespace fwctl::engine
