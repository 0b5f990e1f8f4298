#include "engine/service_edits.h"

#include <fmt/format.h>

#include <algorithm>

#include "compile/moved_share.h"
#include "engine/announce.h"
#include "engine/placed.h"
#include "engine/rewriting.h"
#include "engine/session.h"

namespace fwctl::engine {
namespace {

const policy::Vip* find(const std::vector<policy::Vip>& vips, const std::string& name) {
    const auto found =
        std::find_if(vips.begin(), vips.end(), [&](const policy::Vip& vip) { return vip.name == name; });
    return found == vips.end() ? nullptr : &*found;
}

// nullopt: one of them is not balanced.
Result<std::optional<double>> moved(const policy::Vip* before, const policy::Vip* after) {
    if (before == nullptr || after == nullptr || !before->enabled || !after->enabled) return std::nullopt;
    if (*before == *after) return 0;
    auto share = compile::moved_share(*before, *after);
    if (!share) return tl::unexpected(share.error());
    return *share;
}

}  // namespace

Result<ServiceEdit> edit_service(const std::string& vip, bool dry_run,
                                 const std::function<Result<bool>(std::vector<policy::Vip>&)>& edit) {
    auto writing = open_to_write();
    if (!writing) return tl::unexpected(writing.error());
    State& state = writing->state;
    const State before = state;
    auto changed = edit(state.front.vips);
    if (!changed) return tl::unexpected(changed.error());
    if (auto can = check_announced(before, state); !can) return tl::unexpected(can.error());
    auto share = moved(find(before.front.vips, vip), find(state.front.vips, vip));
    if (!share) return tl::unexpected(share.error());
    const ServiceEdit done{*changed, *share};
    if (!*changed || dry_run) return done;
    if (rewrites(state))
        if (auto ready = make_ready_to_rewrite(writing->store, state); !ready)
            return tl::unexpected(ready.error());
    if (auto published = writing->store.publish(state); !published) return tl::unexpected(published.error());
    if (auto announced = announce(state); !announced)
        return fail("the edit holds, but not all is done: " + announced.error().message, Exit::kInPart);
    return done;
}

Result<std::uint64_t> flows_of_drained(const policy::BackendPath& path) {
    const auto gone = [&] {
        return fail(fmt::format("{}/{} does not drain any more", path.vip, path.backend), Exit::kConflict);
    };
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return gone();
    const Store& store = (*reading)->store;
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    auto backend = policy::find_backend(state->front.vips, path);
    if (!backend || (*backend)->state != policy::BackendState::kDrain) return gone();
    auto running = store.running_services();
    if (!running) return tl::unexpected(running.error());
    auto counter = count_placed(store, state->front.vips, running->numbers);
    if (!counter) return tl::unexpected(counter.error());
    return counter->of(running->numbers.backend(path.vip, path.backend)).all();
}

Result<std::vector<MovedFlows>> moves_between(const std::vector<policy::Vip>& before,
                                              const std::vector<policy::Vip>& after) {
    std::vector<MovedFlows> moves;
    for (const policy::Vip& vip : after) {
        auto share = moved(find(before, vip.name), &vip);
        if (!share) return tl::unexpected(share.error());
        if (share->value_or(0) > 0) moves.push_back({vip.name, **share});
    }
    return moves;
}

}  // namespace fwctl::engine
