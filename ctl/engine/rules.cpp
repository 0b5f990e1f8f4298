#include "engine/rules.h"

#include <algorithm>
#include <functional>
#include <map>

#include "engine/session.h"
#include "policy/rule.h"

namespace fwctl::engine {
namespace {

// Runs `edit` on the rules and switches to the result; says which attachments there are.
Result<std::vector<std::string>> edit_rules(
    bool dry_run, const std::function<Result<bool>(std::vector<policy::Rule>&)>& edit) {
    auto writing = open_to_write();
    if (!writing) return tl::unexpected(writing.error());
    State& state = writing->state;

    std::map<std::string, std::uint32_t> counters;
    std::vector<policy::Rule> rules;
    const std::uint64_t now = monotonic_now();
    for (const CountedRule& counted : state.live) {
        if (is_over(counted.rule, now)) continue;
        counters[counted.rule.name] = counted.counter;
        rules.push_back(counted.rule);
    }
    auto changed = edit(rules);
    if (!changed) return tl::unexpected(changed.error());

    state.live.clear();
    for (policy::Rule& rule : rules) {
        const auto counter = counters.find(rule.name);
        state.live.push_back({std::move(rule), counter == counters.end() ? kNoCounter : counter->second});
    }
    if (*changed && !dry_run)
        if (auto published = writing->store.publish(state); !published)
            return tl::unexpected(published.error());
    std::vector<std::string> names;
    for (const Attachment& attachment : state.attachments) names.push_back(attachment.name());
    return names;
}

}  // namespace

Result<std::vector<RuleView>> list_rules() {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return fail("nothing is attached; start with: fwctl attach IF", Exit::kNotAttached);
    const Store& store = (*reading)->store;
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    const std::uint64_t now = monotonic_now();
    std::vector<CountedRule> rules = state->front_rules();
    std::erase_if(rules, [now](const CountedRule& counted) { return is_over(counted.rule, now); });
    std::vector<std::uint32_t> counters;
    for (const CountedRule& counted : rules) counters.push_back(counted.counter);
    auto counts = store.rule_counts(counters);
    if (!counts) return tl::unexpected(counts.error());
    std::vector<RuleView> views;
    for (CountedRule& counted : rules) {
        RuleView view;
        view.number = views.size() + 1;
        view.count = (*counts)[views.size()];
        if (counted.rule.expires != 0) view.seconds_left = (counted.rule.expires - now) / 1'000'000'000;
        view.rule = std::move(counted.rule);
        views.push_back(std::move(view));
    }
    return views;
}

Result<AddedRule> add_rule(const policy::Rule& rule, const std::optional<std::string>& before, bool dry_run) {
    AddedRule added;
    auto attachments = edit_rules(dry_run, [&](std::vector<policy::Rule>& rules) -> Result<bool> {
        auto outcome = policy::add_rule(rules, rule, before);
        if (!outcome) return tl::unexpected(outcome.error());
        added.outcome = std::move(*outcome);
        added.rule = rules[added.outcome.place];
        return added.outcome.change != policy::RuleChange::kUnchanged;
    });
    if (!attachments) return tl::unexpected(attachments.error());
    for (const std::string& name : *attachments)
        if (policy::any_matches(added.rule.on, name)) added.attachments.push_back(name);
    return added;
}

Status remove_rules(const std::vector<std::string>& names, bool dry_run) {
    auto done = edit_rules(dry_run, [&](std::vector<policy::Rule>& rules) -> Result<bool> {
        for (const std::string& name : names)
            if (auto removed = policy::remove_rule(rules, name); !removed)
                return tl::unexpected(removed.error());
        return true;
    });
    if (!done) return tl::unexpected(done.error());
    return {};
}

Status move_rule(const std::string& name, const std::optional<std::string>& before, bool dry_run) {
    auto done = edit_rules(dry_run, [&](std::vector<policy::Rule>& rules) -> Result<bool> {
        if (auto moved = policy::move_rule(rules, name, before); !moved) return tl::unexpected(moved.error());
        return true;
    });
    if (!done) return tl::unexpected(done.error());
    return {};
}

}  // namespace fwctl::engine
