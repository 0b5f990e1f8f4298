#include "engine/rule_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace fwctl::engine {

Result<RuleBook> RuleBook::of(const Store& store, const State& state, const policy::Policy& main) {
    RuleBook book;
    for (CountedRule& counted : state.front_rules()) book.add(std::move(counted.rule), counted.counter, {});
    auto counters = store.main_counters(state.main);
    if (!counters) return tl::unexpected(counters.error());
    if (counters->size() != main.rules.size())
        return fail("the kept policy is not the one that is running; apply the policy again");
    for (std::size_t i = 0; i < main.rules.size(); ++i) {
        const policy::Place& place = main.rules[i].place;
        const bool has_place = place.file < main.files.size();
        book.add(main.rules[i], (*counters)[i],
                 has_place ? fmt::format("{}:{}", main.files[place.file], place.span.line) : "");
    }
    return book;
}

void RuleBook::add(policy::Rule rule, std::uint32_t counter, std::string place) {
    by_counter_[counter] = rules_.size();
    rules_.push_back({rules_.size() + 1, std::move(rule), counter, std::move(place)});
}

const KnownRule* RuleBook::find(std::uint32_t counter) const {
    const auto found = by_counter_.find(counter);
    return found == by_counter_.end() ? nullptr : &rules_[found->second];
}

const KnownRule* RuleBook::find(const std::string& name) const {
    const auto found = std::find_if(rules_.begin(), rules_.end(),
                                    [&](const KnownRule& known) { return known.rule.name == name; });
    return found == rules_.end() ? nullptr : &*found;
}

}  // namespace fwctl::engine
