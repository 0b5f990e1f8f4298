#include "engine/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/library.h"
#include "engine/rules.h"
#include "engine/session.h"
#include "engine/set_changes.h"
#include "policy/difference.h"

namespace fwctl::engine {

std::string plan_id(const State& state, const policy::Loaded& loaded) {
    std::string all = fmt::format("{} {}", state.generation, state.main.snapshot);
    for (const Source& source : loaded.sources) all += fmt::format("\n{}\n{}", source.path, source.text);
    return text_name(all).substr(0, 12);
}

std::vector<std::string> changes_between(const policy::Policy& running, const State& now,
                                         const policy::Policy& policy, const State& next,
                                         const std::map<std::string, std::size_t>& lost) {
    return policy::difference(with_live_edits(running, now.live, now.front.vips),
                              with_live_edits(policy, next.live, next.front.vips), lost);
}

namespace {

struct Now {
    std::optional<State> state;  // nullopt: nothing is attached
    policy::Policy running;
    std::map<std::string, std::size_t> lost;  // members, by what is to come
};

// `next`: what is to come, if anything is.
Result<Now> read_now(const policy::Policy* next) {
    Now now;
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return now;
    auto state = (*reading)->store.read();
    if (!state) return tl::unexpected(state.error());
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto running = load_running(*library, state->main);
    if (!running) return tl::unexpected(running.error());
    if (next != nullptr) {
        auto lost = lost_members((*reading)->store, *next);
        if (!lost) return tl::unexpected(lost.error());
        now.lost = std::move(*lost);
    }
    now.state = std::move(*state);
    now.running = std::move(running->policy);
    return now;
}

}  // namespace

Result<Plan> plan_apply(const policy::Loaded& loaded, bool discard_live) {
    auto now = read_now(&loaded.policy);
    if (!now) return tl::unexpected(now.error());
    Plan plan;
    const State state = now->state.value_or(State{});
    plan.id = plan_id(state, loaded);
    State next = state;
    auto settled = settle_live(next, now->running, loaded.policy, discard_live);
    if (!settled) return tl::unexpected(settled.error());
    plan.live = std::move(*settled);
    plan.changes = changes_between(now->running, state, loaded.policy, next, now->lost);
    auto moved = moves_between(state.front.vips, next.front.vips);
    if (!moved) return tl::unexpected(moved.error());
    plan.moved = std::move(*moved);
    return plan;
}

Result<Exported> export_policy() {
    auto now = read_now(nullptr);
    if (!now) return tl::unexpected(now.error());
    if (!now->state) return nothing_attached();
    Exported exported;
    std::vector<CountedRule> lasting = now->state->live;
    std::erase_if(lasting, [](const CountedRule& one) { return one.rule.name == kPanicRule; });
    exported.left_out = std::erase_if(lasting, [](const CountedRule& one) { return one.rule.expires != 0; });
    exported.policy = with_live_edits(std::move(now->running), lasting, now->state->front.vips);
    // The policy stands alone: what its sets read from files is in it.
    for (policy::Set& set : exported.policy.sets) set.file.clear();
    exported.policy.tests.clear();
    return exported;
}

}  // namespace fwctl::engine
