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

// Attaches what is missing; true where that has made a generation.
Result<bool> attach_missing(const Writing& writing, const Policy& policy,
                            const std::vector<AttachRequest>& missing, Followed& followed) {
    if (missing.empty()) return false;
    std::vector<Attachment> gone;
    auto attached = attach_all(writing, missing, [&](State& next) {
        gone = gone_of(next, policy);
        std::erase_if(next.attachments, [&](const Attachment& one) { return is_one_of(gone, one); });
    });
    if (!attached) return tl::unexpected(attached.error());
    followed.attached = std::move(*attached);
    for (const Attachment& attachment : gone) {
        if (auto removed = remove_hooks(writing.store, attachment); !removed)
            return tl::unexpected(removed.error());
        writing.store.erase_record(attachment.slot);
        followed.forgotten.push_back(attachment.name());
    }
    return std::any_of(followed.attached.begin(), followed.attached.end(),
                       [](const AttachOutcome& one) { return one.change != AttachChange::kUnchanged; });
}

struct Behind {
    Policy policy;
    std::vector<AttachRequest> missing;
    std::vector<Way> ways;
    AddressChanges addresses;
    bool knows_macs = true;
    [[nodiscard]] bool nothing() const {
        return missing.empty() && ways.empty() && !addresses.any() && knows_macs;
    }
};

Result<Behind> look_behind(const Store& store, const State& state) {
    Behind behind;
    behind.knows_macs = knows_macs(state);
    auto ways = changed_ways(store, state.front.vips);
    if (!ways) return tl::unexpected(ways.error());
    behind.ways = std::move(*ways);
    // What a trial has left is put straight when it is over.
    if (!store.trial_left()) {
        auto addresses = due_changes(state);
        if (!addresses) return tl::unexpected(addresses.error());
        behind.addresses = std::move(*addresses);
    }
    if (state.main.snapshot.empty()) return behind;
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto loaded = load_running(*library, state.main);
    if (!loaded) return tl::unexpected(loaded.error());
    behind.policy = std::move(loaded->policy);
    auto missing = missing_of(store, state, behind.policy);
    if (!missing) return tl::unexpected(missing.error());
    behind.missing = std::move(*missing);
    return behind;
}

// A generation is written with the ways, and the MAC addresses, as they are.
Result<Followed> catch_up(const AddressChanges& due) {
    auto writing = open_to_write();
    if (!writing) return tl::unexpected(writing.error());
    auto announced = announce_missing(writing->state, due);
    if (!announced) return tl::unexpected(announced.error());
    auto behind = look_behind(writing->store, writing->state);
    if (!behind) return tl::unexpected(behind.error());
    Followed followed{{}, {}, behind->ways, std::move(*announced)};
    auto written = attach_missing(*writing, behind->policy, behind->missing, followed);
    if (!written) return tl::unexpected(written.error());
    if (*written || (behind->ways.empty() && behind->knows_macs)) return followed;
    if (auto published = writing->store.publish(writing->state); !published)
        return tl::unexpected(published.error());
    return followed;
}

Result<Followed> put_right(const Store& store) {
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    state->interfaces = std::move(*interfaces);
    auto behind = look_behind(store, *state);
    if (!behind) return tl::unexpected(behind.error());
    return behind->nothing() ? Followed{} : catch_up(behind->addresses);
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
