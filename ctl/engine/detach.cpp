#include "engine/detach.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/announce.h"
#include "engine/hooks.h"
#include "engine/library.h"
#include "engine/running.h"
#include "engine/session.h"
#include "engine/store.h"
#include "net/interface.h"
#include "policy/print.h"
#include "policy/rule.h"
#include "policy/vip_merge.h"

namespace fwctl::engine {
namespace {

// Where the policy's text is gone, nobody knows.
std::vector<std::string> live_edits(const State& state) {
    auto library = Library::open();
    if (!library) return {};
    auto running = load_running(*library, state.main);
    if (!running) return {};
    const std::vector<policy::Vip>& applied = running->policy.vips;
    return policy::texts_of(policy::merge_vips(applied, state.front.vips, applied).kept);
}

// By the attachment's name, or by the one that its device has now.
Result<std::set<std::uint32_t>> slots_of(const State& state, const std::vector<std::string>& interfaces) {
    std::set<std::uint32_t> slots;
    for (const std::string& wanted : interfaces) {
        const std::size_t before = slots.size();
        for (const Attachment& attachment : state.attachments) {
            const net::Interface* now = net::find_interface(state.interfaces, attachment.ifindex());
            if (policy::interface_matches(wanted, attachment.name()) ||
                (now != nullptr && policy::interface_matches(wanted, now->name)))
                slots.insert(attachment.slot);
        }
        if (slots.size() == before)
            return fail(fmt::format("{} is not attached", wanted), Exit::kNotAttached);
    }
    std::set<std::uint32_t> peers;
    for (const Attachment& bridge : state.attachments)
        for (const Attachment& port : state.attachments)
            if (slots.contains(bridge.slot) && port.record.peer_of == bridge.record.ifindex)
                peers.insert(port.slot);
    slots.merge(peers);
    return slots;
}

}  // namespace

Result<DetachOutcome> detach(const std::vector<std::string>& interfaces) {
    auto writing = open_to_write();
    if (!writing) return tl::unexpected(writing.error());
    auto slots = slots_of(writing->state, interfaces.empty() ? std::vector<std::string>{"*"} : interfaces);
    if (!slots) return tl::unexpected(slots.error());

    DetachOutcome outcome;
    State next = writing->state;
    std::vector<Attachment> leaving;
    for (const Attachment& attachment : writing->state.attachments)
        if (slots->contains(attachment.slot)) leaving.push_back(attachment);
    std::erase_if(next.attachments,
                  [&](const Attachment& attachment) { return slots->contains(attachment.slot); });
    if (next.attachments.empty()) {
        for (const CountedRule& counted : next.live)
            outcome.forgotten_rules.push_back(policy::describe(counted.rule));
        next.live.clear();
        outcome.forgotten_edits = live_edits(next);
        outcome.forgotten_policy = next.main.tier.rule_count;
    }
    for (const Attachment& attachment : leaving) outcome.interfaces.push_back(attachment.name());

    if (auto published = writing->store.publish(next); !published) return tl::unexpected(published.error());
    const Status announced = announce(next);
    if (auto removed = remove_attachments(writing->store, leaving); !removed)
        return tl::unexpected(removed.error());
    auto rest = remove_attachments(writing->store, writing->unfinished);
    if (next.attachments.empty()) {
        if (!rest) return tl::unexpected(rest.error());
        remove_state(writing->store.paths());
        if (auto library = Library::open()) library->forget();
    }
    if (!announced) return tl::unexpected(announced.error());
    return outcome;
}

}  // namespace fwctl::engine
