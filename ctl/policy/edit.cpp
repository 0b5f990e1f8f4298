#include "policy/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "policy/builtin.h"
#include "policy/rule.h"
#include "policy/schema.h"
#include "policy/service.h"

namespace fwctl::policy {
namespace {

using Position = std::vector<Rule>::iterator;

Result<Position> find(std::vector<Rule>& rules, const std::string& name) {
    const auto found =
        std::find_if(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.name == name; });
    if (found != rules.end()) return found;
    if (describe_builtin(name))
        return fail(fmt::format("\"{}\" is a built-in rule, which cannot be removed or moved", name),
                    Exit::kUsage);
    std::vector<std::string_view> names;
    for (const Rule& rule : rules) names.push_back(rule.name);
    const auto near = nearest(name, names);
    return fail(fmt::format("there is no rule \"{}\"{}", name,
                            near ? fmt::format("; did you mean \"{}\"?", *near) : "; see: fwctl rule list"),
                Exit::kUsage);
}

// A name that no other rule has: "deny-icmp", "deny-icmp-2" …
std::string free_name(const std::vector<Rule>& rules, const std::string& wanted) {
    const auto taken = [&](const std::string& name) {
        return describe_builtin(name) ||
               std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.name == name; });
    };
    std::string name = wanted;
    for (int number = 2; taken(name); ++number) {
        const std::string suffix = fmt::format("-{}", number);
        name = wanted.substr(0, kMaxNameLength - suffix.size()) + suffix;
    }
    return name;
}

bool has_service(const Rule& rule, std::uint8_t protocol) {
    return std::any_of(rule.services.begin(), rule.services.end(), [&](const Service& service) {
        return service.kind == Service::Kind::kProtocol && service.protocol == protocol;
    });
}

// `icmp` is the word of people who mean ping: say what it leaves out.
void note_other_family(const Rule& rule, std::vector<std::string>& notes) {
    const bool v4 = has_service(rule, kProtocolIcmp);
    const bool v6 = has_service(rule, kProtocolIcmp6);
    const auto all_v4 = [](const Addresses& addresses) {
        const std::vector<Prefix>& prefixes = addresses.prefixes;
        return addresses.sets.empty() && !prefixes.empty() &&
               std::all_of(prefixes.begin(), prefixes.end(),
                           [](const Prefix& prefix) { return prefix.family == Family::kIpv4; });
    };
    const bool only_v4 = all_v4(rule.from) || all_v4(rule.to);
    if (v4 && !v6 && !only_v4)
        notes.push_back(fmt::format("icmp is IPv4's: ICMPv6 is not covered; for both: fwctl {} icmp icmp6",
                                    action_name(rule.action)));
    if (v6 && rule.action != Action::kAllow)
        notes.emplace_back(
            "neighbor discovery and the ICMPv6 that IPv6 cannot do without stay allowed by built-in rules");
}

// Earlier rules that leave the new one nothing to match.
void note_covering(const std::vector<Rule>& rules, std::size_t place, std::vector<std::string>& notes) {
    const Rule& rule = rules[place];
    for (const Rule& builtin : builtin_rules())
        if (covers(builtin, rule) && builtin.action != rule.action)
            notes.push_back(
                fmt::format("it never matches: the built-in rule \"{}\" comes first", builtin.name));
    for (std::size_t i = 0; i < place; ++i) {
        if (!covers(rules[i], rule)) continue;
        notes.push_back(
            fmt::format("it never matches: \"{}\" comes first; to be asked before it: --before {}",
                        rules[i].name, rules[i].name));
        return;
    }
}

}  // namespace

Result<RuleOutcome> add_rule(std::vector<Rule>& rules, Rule rule, const std::optional<std::string>& before) {
    RuleOutcome outcome;
    rule = canonical(std::move(rule));
    if (auto possible = check_rule(rule); !possible) return tl::unexpected(possible.error());
    if (before)
        if (auto found = find(rules, *before); !found) return tl::unexpected(found.error());

    std::vector<Rule> edited = rules;
    auto place = static_cast<std::ptrdiff_t>(edited.size());
    const auto same =
        std::find_if(edited.begin(), edited.end(), [&](const Rule& old) { return same_match(old, rule); });
    rule.name.clear();
    if (same != edited.end()) {
        place = same - edited.begin();
        outcome.replaced_name = same->name;
        if (same->action == rule.action) rule.name = same->name;
        edited.erase(same);
    }
    if (rule.name.empty()) rule.name = free_name(edited, default_name(rule));
    if (before && *before != outcome.replaced_name) place = *find(edited, *before) - edited.begin();
    edited.insert(edited.begin() + place, std::move(rule));

    outcome.place = static_cast<std::size_t>(place);
    if (edited == rules) {
        outcome.change = RuleChange::kUnchanged;
        outcome.replaced_name.clear();
    } else if (!outcome.replaced_name.empty()) {
        outcome.change = RuleChange::kReplaced;
    }
    rules = std::move(edited);
    note_other_family(rules[outcome.place], outcome.notes);
    note_covering(rules, outcome.place, outcome.notes);
    return outcome;
}

Status remove_rule(std::vector<Rule>& rules, const std::string& name) {
    auto found = find(rules, name);
    if (!found) return tl::unexpected(found.error());
    rules.erase(*found);
    return {};
}

Status move_rule(std::vector<Rule>& rules, const std::string& name,
                 const std::optional<std::string>& before) {
    auto found = find(rules, name);
    if (!found) return tl::unexpected(found.error());
    if (before) {
        if (auto target = find(rules, *before); !target) return tl::unexpected(target.error());
        if (*before == name) return {};
    }
    Rule rule = std::move(**found);
    rules.erase(*found);
    rules.insert(before ? *find(rules, *before) : rules.end(), std::move(rule));
    return {};
}

}  // namespace fwctl::policy
