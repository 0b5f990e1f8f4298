// The rules behind the counters: what programs name by a number, people know by name and place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/store.h"
#include "policy/model.h"

namespace fwctl::engine {

struct KnownRule {
    std::size_t number = 0;  // from 1: the order in which the rules are asked
    policy::Rule rule;
    std::uint32_t counter = 0;
    std::string place;  // "policy.toml:12"; empty: no file has it
};

class RuleBook {
public:
    // `main` is the policy whose rules are in the state's main tier. An error when it is another one.
    static Result<RuleBook> of(const Store& store, const State& state, const policy::Policy& main);

    // nullptr: no rule has the counter.
    [[nodiscard]] const KnownRule* find(std::uint32_t counter) const;
    [[nodiscard]] const KnownRule* find(const std::string& name) const;
    // In their order.
    [[nodiscard]] const std::vector<KnownRule>& rules() const { return rules_; }

private:
    void add(policy::Rule rule, std::uint32_t counter, std::string place);

    std::vector<KnownRule> rules_;
    std::map<std::uint32_t, std::size_t> by_counter_;
};

}  // namespace fwctl::engine
