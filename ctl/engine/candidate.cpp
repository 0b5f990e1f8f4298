#include "engine/candidate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/outputs.h"
#include "engine/running.h"

namespace fwctl::engine {
namespace {

using policy::Policy;

// All rules of the policy are asked after those in front of it.
constexpr std::uint32_t kMainPriority = 1 << 20;

// The numbers of sets that go stay free until the next policy: the generation that uses them is not over.
std::vector<std::string> number_sets(const std::vector<std::string>& before, const Policy& policy) {
    std::vector<std::string> numbers = before;
    std::vector<bool> taken;
    for (std::string& name : numbers) {
        taken.push_back(!name.empty());
        const policy::Set* set = policy.find_set(name);
        if (set == nullptr || !set->dynamic) name.clear();
    }
    for (const policy::Set& set : policy.sets) {
        if (!set.dynamic || std::find(numbers.begin(), numbers.end(), set.name) != numbers.end()) continue;
        const auto free = std::find(taken.begin(), taken.end(), false);
        if (free == taken.end()) {
            numbers.push_back(set.name);
            taken.push_back(true);
        } else {
            *free = true;
            numbers[static_cast<std::size_t>(free - taken.begin())] = set.name;
        }
    }
    return numbers;
}

Result<std::vector<std::uint32_t>> choose_counters(const Store& store, const State& now,
                                                   const Policy& running, const Policy& policy) {
    std::map<std::string, std::uint32_t> old;
    if (auto by_name = counters_by_name(store, now.main, running)) old = std::move(*by_name);
    for (const CountedRule& counted : now.live) old.emplace(counted.rule.name, counted.counter);
    std::set<std::uint32_t> taken;
    for (const auto& [name, counter] : old) taken.insert(counter);

    std::vector<std::uint32_t> counters;
    std::vector<std::uint32_t> fresh;
    std::uint32_t next = kFirstFreeCounter;
    for (const policy::Rule& rule : policy.rules) {
        if (const auto known = old.find(rule.name); known != old.end()) {
            counters.push_back(known->second);
            continue;
        }
        while (taken.contains(next)) ++next;
        counters.push_back(next);
        fresh.push_back(next++);
    }
    if (auto started = store.start_counters(fresh); !started) return tl::unexpected(started.error());
    return counters;
}

// What the language says and the programs do not do yet is refused, never left out.
Status refuse_unsupported(const Policy& policy) {
    if (policy.defaults.inner_tunnels)
        return fail("[defaults] tunnel = \"inner\" is not supported yet", Exit::kUsage);
    return {};
}

}  // namespace

Result<compile::TierImage> compile_candidate(const Store& store, const State& now, const Policy& running,
                                             const Policy& policy, State& next) {
    if (auto supported = refuse_unsupported(policy); !supported) return tl::unexpected(supported.error());
    if (auto there = check_outputs(policy.rules, policy.routes, now.interfaces); !there)
        return tl::unexpected(there.error());
    auto counters = choose_counters(store, now, running, policy);
    if (!counters) return tl::unexpected(counters.error());
    next.main.dynamic_sets = number_sets(now.main.dynamic_sets, policy);
    if (next.main.dynamic_sets.size() > FW_MAX_SETS)
        return fail(fmt::format("more dynamic sets than the limit of {}", +FW_MAX_SETS));
    std::map<std::string, std::uint32_t> numbers;
    std::set<std::uint32_t> fresh;
    for (std::uint32_t i = 0; i < next.main.dynamic_sets.size(); ++i) {
        if (next.main.dynamic_sets[i].empty()) continue;
        numbers[next.main.dynamic_sets[i]] = i;
        const auto& before = now.main.dynamic_sets;
        if (i >= before.size() || before[i].empty()) fresh.insert(i);
    }
    // A set that went has left its members behind, for a trial may bring it back.
    if (auto emptied = store.forget_members(fresh); !emptied) return tl::unexpected(emptied.error());
    compile::SetBlocks sets(policy.sets);
    return compile::compile_tier({policy.rules, *counters, kMainPriority, &numbers, policy.routes}, sets);
}

}  // namespace fwctl::engine
