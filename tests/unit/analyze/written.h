// Policies written down for the tests of the analysis.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "policy/field.h"
#include "policy/prefix.h"
#include "policy/rate.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::analyze {

using namespace policy;

using Words = std::vector<std::string>;

// "10.0.0.0/8", "!10.0.0.1", "@set", "!@set".
inline Addresses addresses(const Words& words) {
    Addresses addresses;
    for (std::string word : words) {
        const bool is_except = word.front() == '!';
        word.erase(0, is_except ? 1 : 0);
        if (word.front() == '@') {
            (is_except ? addresses.except_sets : addresses.sets).push_back(word.substr(1));
        } else {
            (is_except ? addresses.except : addresses.prefixes).push_back(parse_prefix(word).value());
        }
    }
    return addresses;
}

inline Rule rule(std::string name, Action action, const Words& services = {}, const Words& from = {},
                 const Words& to = {}) {
    Rule rule;
    rule.name = std::move(name);
    rule.action = action;
    rule.origin = Origin::kFile;
    for (const std::string& service : services) {
        rule.services.push_back(parse_service(service).value());
    }
    rule.from = addresses(from);
    rule.to = addresses(to);
    return canonical(std::move(rule));
}

inline Rule deny(std::string name, const Words& services = {}, const Words& from = {}, const Words& to = {}) {
    return rule(std::move(name), Action::kDeny, services, from, to);
}

inline Rule allow(std::string name, const Words& services = {}, const Words& from = {},
                  const Words& to = {}) {
    return rule(std::move(name), Action::kAllow, services, from, to);
}

inline Rule on(Rule rule, Words patterns) {
    rule.on = std::move(patterns);
    return rule;
}

inline Rule with(Rule rule, Field field, const char* word) {
    rule.fields.push_back({field, {parse_field(field, word).value()}});
    return rule;
}

inline Set set(std::string name, const Words& elements) {
    Set set;
    set.name = std::move(name);
    set.elements = addresses(elements).prefixes;
    std::sort(set.elements.begin(), set.elements.end());
    return set;
}

inline Set dynamic_set(std::string name) {
    Set made = set(std::move(name), {});
    made.dynamic = true;
    return made;
}

// Rules stand on lines 10, 20 and so on; the default is that no rule agrees with it: reject is of neither.
inline Policy policy(std::vector<Rule> rules, std::vector<Set> sets = {}) {
    Policy policy;
    policy.files = {"policy.toml"};
    policy.rules = std::move(rules);
    policy.sets = std::move(sets);
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        policy.rules[i].place.span.line = 10 * (i + 1);
    }
    return policy;
}

}  // namespace fwctl::analyze
