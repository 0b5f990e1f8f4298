#include "engine/running.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "policy/file_reader.h"
#include "policy/vip_edit.h"
#include "policy/vip_merge.h"

namespace fwctl::engine {
namespace {

void add_names(const policy::Addresses& addresses, std::set<std::string>& names) {
    names.insert(addresses.sets.begin(), addresses.sets.end());
    names.insert(addresses.except_sets.begin(), addresses.except_sets.end());
}

std::set<std::string> sets_of(const policy::Rule& rule) {
    std::set<std::string> names;
    add_names(rule.from, names);
    add_names(rule.to, names);
    return names;
}

}  // namespace

Result<policy::Loaded> load_snapshot(const Library& library, const std::string& snapshot) {
    auto sources = library.read(snapshot);
    if (!sources) return tl::unexpected(sources.error());
    const std::string path = sources->front().path;
    const policy::SnapshotReader reader(std::move(*sources));
    auto loaded = policy::load_policy(path, reader);
    if (!loaded) return fail("the kept policy can no longer be read:\n" + loaded.error().render());
    return std::move(*loaded);
}

Result<policy::Loaded> load_applied(const Library& library, std::uint64_t number) {
    auto history = library.history();
    if (!history) return tl::unexpected(history.error());
    if (number == 0) {
        for (auto entry = history->rbegin(); entry != history->rend(); ++entry)
            if (!library.same_texts(entry->snapshot, history->back().snapshot))
                return load_snapshot(library, entry->snapshot);
        return fail("there is no policy before the present one", Exit::kUsage);
    }
    for (const Applied& entry : *history)
        if (entry.number == number) return load_snapshot(library, entry.snapshot);
    return fail(fmt::format("the history has no policy {}; see: fwctl history", number), Exit::kUsage);
}

Result<policy::Loaded> load_last_applied(const Library& library) {
    auto history = library.history();
    if (!history) return tl::unexpected(history.error());
    if (history->empty()) return fail("no policy was ever applied here", Exit::kFailed);
    return load_snapshot(library, history->back().snapshot);
}

Result<policy::Loaded> load_running(const Library& library, const MainTier& main) {
    if (main.snapshot.empty()) return policy::Loaded{};
    return load_snapshot(library, main.snapshot);
}

policy::Policy with_live_edits(policy::Policy policy, const std::vector<CountedRule>& live,
                               const std::vector<policy::Vip>& vips) {
    policy.vips = vips;
    std::vector<policy::Rule> rules;
    for (const CountedRule& counted : live) {
        rules.push_back(counted.rule);
        rules.back().origin = policy::Origin::kFile;
    }
    policy.rules.insert(policy.rules.begin(), rules.begin(), rules.end());
    return policy;
}

Result<std::map<std::string, std::uint32_t>> counters_by_name(const Store& store, const MainTier& main,
                                                              const policy::Policy& running) {
    auto counters = store.main_counters(main);
    if (!counters) return tl::unexpected(counters.error());
    std::map<std::string, std::uint32_t> by_name;
    if (counters->size() != running.rules.size())
        return fail("the kept policy is not the one that is running; apply the policy again");
    for (std::size_t i = 0; i < running.rules.size(); ++i) by_name[running.rules[i].name] = (*counters)[i];
    return by_name;
}

Status choose_front_sets(State& state, const policy::Policy& policy) {
    std::set<std::string> names;
    if (policy.defaults.lockout) add_names(policy.defaults.lockout->from, names);
    for (const CountedRule& counted : state.live) {
        for (const std::string& name : sets_of(counted.rule)) {
            if (policy.find_set(name) == nullptr)
                return fail(fmt::format("live rule \"{}\": there is no set @{} in the policy",
                                        counted.rule.name, name),
                            Exit::kUsage);
            names.insert(name);
        }
    }
    state.front.sets.clear();
    for (const policy::Set& set : policy.sets) {
        if (!set.dynamic && !names.contains(set.name)) continue;
        state.front.sets.push_back(set);
        state.front.sets.back().file.clear();
    }
    return {};
}

namespace {

Result<SettledEdits> settle_rules(State& state, const policy::Policy& policy, bool discard_live) {
    std::map<std::string, const policy::Rule*> of_file;
    for (const policy::Rule& rule : policy.rules) of_file[rule.name] = &rule;
    SettledEdits settled;
    std::vector<CountedRule> kept;
    for (CountedRule& counted : state.live) {
        const auto same = of_file.find(counted.rule.name);
        if (same != of_file.end()) {
            policy::Rule as_written = counted.rule;
            as_written.origin = same->second->origin;
            if (as_written == *same->second) {
                settled.absorbed.push_back(counted.rule.name);
                continue;
            }
        }
        if (discard_live) {
            settled.discarded.push_back(counted.rule.name);
            continue;
        }
        if (same != of_file.end())
            return fail(fmt::format("a live rule and one of the policy are both called \"{}\" and differ; "
                                    "remove the live one, or drop all of them with --discard-live",
                                    counted.rule.name),
                        Exit::kConflict);
        settled.kept.push_back(counted.rule.name);
        kept.push_back(std::move(counted));
    }
    state.live = std::move(kept);
    return settled;
}

Result<SettledEdits> settle_vips(State& state, const policy::Policy& running, const policy::Policy& policy,
                                 bool discard_live) {
    policy::MergedVips merged = policy::merge_vips(running.vips, state.front.vips, policy.vips);
    SettledEdits settled{policy::texts_of(merged.kept),
                         policy::texts_of(merged.absorbed),
                         policy::texts_of(merged.overruled),
                         {}};
    if (discard_live) {
        merged.vips = policy.vips;
        settled.discarded = std::move(settled.kept);
        settled.kept.clear();
    }
    if (auto apart = policy::check_together(merged.vips); !apart)
        return fail(fmt::format("with what was edited live, {}; undo that, or drop all of it with "
                                "--discard-live",
                                apart.error().message),
                    Exit::kConflict);
    state.front.vips = std::move(merged.vips);
    return settled;
}

}  // namespace

Result<SettledLive> settle_live(State& state, const policy::Policy& running, const policy::Policy& policy,
                                bool discard_live) {
    auto rules = settle_rules(state, policy, discard_live);
    if (!rules) return tl::unexpected(rules.error());
    auto vips = settle_vips(state, running, policy, discard_live);
    if (!vips) return tl::unexpected(vips.error());
    state.front.defaults = policy.defaults;
    state.front.conntrack = policy.conntrack;
    state.front.disabled_builtins = policy.disabled_builtins;
    state.front.decapsulate = policy.decapsulate;
    if (auto chosen = choose_front_sets(state, policy); !chosen) return tl::unexpected(chosen.error());
    return SettledLive{std::move(*rules), std::move(*vips)};
}

}  // namespace fwctl::engine
