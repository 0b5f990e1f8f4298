#include "engine/rules.h"

#include <algorithm>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "engine/library.h"
#include "engine/rewriting.h"
#include "engine/running.h"
#include "engine/session.h"
#include "engine/trial.h"
#include "kernel/tick_clock.h"
#include "policy/rule.h"

namespace fwctl::engine {
namespace {

bool names_unknown_sets(const State& state) {
    const auto is_known = [&](const std::string& name) { return state.front.find_set(name) != nullptr; };
    return std::any_of(state.live.begin(), state.live.end(), [&](const CountedRule& counted) {
        const auto all_known = [&](const std::vector<std::string>& names) {
            return std::all_of(names.begin(), names.end(), is_known);
        };
        const policy::Rule& rule = counted.rule;
        return !all_known(rule.from.sets) || !all_known(rule.from.except_sets) || !all_known(rule.to.sets) ||
               !all_known(rule.to.except_sets);
    });
}

// The policy is read back only for sets that no live rule has named before.
Status find_sets(State& state) {
    if (!names_unknown_sets(state)) return {};
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto running = load_running(*library, state.main);
    if (!running) return tl::unexpected(running.error());
    return choose_front_sets(state, running->policy);
}

// A rule of the policy is not to be edited here.
Status refuse_main_rule(const Writing& writing, const std::string& name, Status otherwise) {
    auto there = writing.store.main_has_rule(writing.state.main, name);
    if (!there || !*there) return otherwise;
    return fail(fmt::format("\"{}\" is a rule of the policy; change its file and apply it", name),
                Exit::kUsage);
}

// Runs `edit` on the rules and switches to the result; says which attachments there are.
Result<std::vector<Attachment>> edit_rules(
    bool dry_run, const std::function<Result<bool>(const Writing&, std::vector<policy::Rule>&)>& edit) {
    auto writing = open_to_write();
    if (!writing) return tl::unexpected(writing.error());
    State& state = writing->state;

    std::map<std::string, std::uint32_t> counters;
    std::vector<policy::Rule> rules;
    for (const CountedRule& counted : state.live) {
        counters[counted.rule.name] = counted.counter;
        rules.push_back(counted.rule);
    }
    auto changed = edit(*writing, rules);
    if (!changed) return tl::unexpected(changed.error());

    state.live.clear();
    for (policy::Rule& rule : rules) {
        if (!counters.contains(rule.name)) {
            auto taken = writing->store.main_has_rule(state.main, rule.name);
            if (!taken) return tl::unexpected(taken.error());
            if (*taken)
                return fail(fmt::format("the policy has a rule \"{}\" already; change the policy's file and "
                                        "apply it",
                                        rule.name),
                            Exit::kConflict);
        }
        const auto counter = counters.find(rule.name);
        state.live.push_back({std::move(rule), counter == counters.end() ? kNoCounter : counter->second});
    }
    if (auto known = find_sets(state); !known) return tl::unexpected(known.error());
    if (!*changed || dry_run) return state.attachments;
    if (rewrites(state))
        if (auto ready = make_ready_to_rewrite(writing->store, state); !ready)
            return tl::unexpected(ready.error());
    if (auto published = writing->store.publish(state); !published) return tl::unexpected(published.error());
    return state.attachments;
}

}  // namespace

Result<RuleList> list_rules() {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return nothing_attached();
    const Store& store = (*reading)->store;
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    const std::uint64_t now = monotonic_now();
    std::vector<CountedRule> rules = state->front_rules();
    std::erase_if(rules, [now](const CountedRule& counted) { return is_over(counted.rule, now); });
    auto library = Library::open();
    if (!library) return tl::unexpected(library.error());
    auto running = load_running(*library, state->main);
    if (!running) return tl::unexpected(running.error());
    auto of_main = store.main_counters(state->main);
    if (!of_main) return tl::unexpected(of_main.error());
    for (std::size_t i = 0; i < std::min(of_main->size(), running->policy.rules.size()); ++i)
        rules.push_back({running->policy.rules[i], (*of_main)[i]});
    std::vector<std::uint32_t> counters;
    for (const CountedRule& counted : rules) counters.push_back(counted.counter);
    auto counts = store.rule_counts(counters);
    if (!counts) return tl::unexpected(counts.error());
    auto ticks = kernel::TickClock::read();
    if (!ticks) return tl::unexpected(ticks.error());
    const auto began = monotonic_began();
    std::vector<RuleView> views;
    for (CountedRule& counted : rules) {
        RuleView view;
        view.number = views.size() + 1;
        view.count = (*counts)[views.size()];
        if (view.count.last != 0)
            view.last_hit = began + std::chrono::nanoseconds(std::min(ticks->time_of(view.count.last), now));
        if (counted.rule.expires != 0) view.seconds_left = (counted.rule.expires - now) / 1'000'000'000;
        if (counted.rule.origin == policy::Origin::kFile)
            view.place = fmt::format("{}:{}", running->policy.files[counted.rule.place.file],
                                     counted.rule.place.span.line);
        view.rule = std::move(counted.rule);
        views.push_back(std::move(view));
    }
    return RuleList{std::move(views), state->front.defaults};
}

Result<AddedRule> add_rule(const policy::Rule& rule, const std::optional<std::string>& before, bool dry_run) {
    AddedRule added;
    auto attachments =
        edit_rules(dry_run, [&](const Writing& writing, std::vector<policy::Rule>& rules) -> Result<bool> {
            auto outcome = policy::add_rule(rules, rule, before);
            if (!outcome)
                return tl::unexpected(
                    refuse_main_rule(writing, before.value_or(""), tl::unexpected(outcome.error())).error());
            added.outcome = std::move(*outcome);
            added.rule = rules[added.outcome.place];
            return added.outcome.change != policy::RuleChange::kUnchanged;
        });
    if (!attachments) return tl::unexpected(attachments.error());
    for (const Attachment& attachment : *attachments) {
        const std::vector<std::string> names = attachment.names();
        if (std::any_of(names.begin(), names.end(),
                        [&](const std::string& name) { return policy::any_matches(added.rule.on, name); }))
            added.attachments.push_back(attachment.name());
    }
    return added;
}

Status remove_rules(const std::vector<std::string>& names, bool dry_run) {
    auto done =
        edit_rules(dry_run, [&](const Writing& writing, std::vector<policy::Rule>& rules) -> Result<bool> {
            for (const std::string& name : names)
                if (auto removed = policy::remove_rule(rules, name); !removed)
                    return tl::unexpected(refuse_main_rule(writing, name, removed).error());
            return true;
        });
    if (!done) return tl::unexpected(done.error());
    return {};
}

Status move_rule(const std::string& name, const std::optional<std::string>& before, bool dry_run) {
    auto done =
        edit_rules(dry_run, [&](const Writing& writing, std::vector<policy::Rule>& rules) -> Result<bool> {
            if (auto moved = policy::move_rule(rules, name, before); !moved)
                return tl::unexpected(refuse_main_rule(writing, name, moved).error());
            return true;
        });
    if (!done) return tl::unexpected(done.error());
    return {};
}

Result<bool> set_panic(const std::optional<policy::Rule>& rule, bool dry_run) {
    bool rolled_back = false;
    if (rule && !dry_run) {
        auto left = trial_left();
        if (!left) return tl::unexpected(left.error());
        rolled_back = left->has_value();
        if (rolled_back)
            if (auto ended = end_trial(); !ended) return tl::unexpected(ended.error());
    }
    auto done = edit_rules(dry_run, [&](const Writing&, std::vector<policy::Rule>& rules) -> Result<bool> {
        const auto gone =
            std::erase_if(rules, [](const policy::Rule& one) { return one.name == kPanicRule; });
        if (rule) rules.insert(rules.begin(), *rule);
        return gone > 0 || rule;
    });
    if (!done) return tl::unexpected(done.error());
    return rolled_back;
}

}  // namespace fwctl::engine
