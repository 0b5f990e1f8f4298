#include "scenario.h"

#include <fmt/format.h>

#include <utility>

#include "engine/store.h"
#include "generate/policy.h"
#include "generate/prefixes.h"
#include "policy/field.h"
#include "policy/prefix_list.h"
#include "policy/rate.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::bench {

using generate::Detail;
using generate::Mix;
using policy::Family;
using policy::Policy;
using policy::Rule;

namespace {

constexpr std::uint64_t kScenarioSeed = 1;
constexpr Targets kNone{};

std::unique_ptr<World> with(Policy policy) {
    auto world = std::make_unique<World>();
    world->policy = std::move(policy);
    world->context = generate::generate_context(world->policy, kScenarioSeed, engine::monotonic_now());
    return world;
}

Rule deny_icmp() {
    Rule rule;
    rule.name = "deny-icmp";
    rule.services.push_back(policy::parse_service("icmp").value());
    return policy::canonical(rule);
}

Scenario no_rules() {
    return {"no rules", {5, 5, 6, 6}, true, [] {
                auto world = with({});
                world->flows = any_flow(Family::kIpv4);
                return world;
            }};
}

// Of a listener to what does not come, and of those to every packet.
Scenario no_rules_heard(const char* what, const engine::Wanted& wanted) {
    return {fmt::format("no rules, {}", what), kNone, false, [wanted] {
                auto world = with({});
                world->flows = any_flow(Family::kIpv4);
                world->heard = wanted;
                return world;
            }};
}

Scenario no_rules_ipv6() {
    return {"no rules, IPv6", kNone, false, [] {
                auto world = with({});
                world->flows = any_flow(Family::kIpv6);
                return world;
            }};
}

Scenario icmp_denied() {
    return {"icmp denied: ping", kNone, true, [] {
                auto world = with({});
                world->live = {deny_icmp()};
                world->flows = ping();
                return world;
            }};
}

// So many of something.
Scenario sized(const Growth& growth, const Targets& targets, bool quick,
               std::function<std::unique_ptr<World>()> make) {
    return {short_number(growth.size) + " " + growth.of, targets, quick, std::move(make), growth};
}

Scenario listed_prefixes(Family family, std::size_t count, bool hit, const Targets& targets, bool quick) {
    const char* version = family == Family::kIpv4 ? "v4" : "v6";
    return sized({fmt::format("{} prefixes, {}", version, hit ? "hit" : "miss"), count}, targets, quick, [=] {
        auto world = with(blocklist(family, count));
        // It takes long to fill, and longer to ask: of misses one family does.
        const auto& prefixes = world->policy.sets.front().elements;
        if (hit || family == Family::kIpv4) world->trie = &prefixes;
        world->flows = hit ? listed(prefixes) : unlisted(prefixes);
        return world;
    });
}

const char* name_of(Mix mix) {
    switch (mix) {
        case Mix::kAcl:
            return "ACL-like";
        case Mix::kFirewall:
            return "firewall-like";
        case Mix::kWildcard:
            break;
    }
    return "wildcard";
}

// What a packet is to its flow depends on the packets before it, of which the oracle of these rows knows
// nothing: the rows of flows ask for states.
void ask_no_state(Policy& policy) {
    for (Rule& rule : policy.rules)
        std::erase_if(rule.fields, [](const auto& match) { return match.field == policy::Field::kState; });
}

// The rules are of both families, and so would be the packets; apart, they can be compared with others'
// figures.
Scenario rules(Mix mix, std::size_t count, Detail detail, Family family, const Targets& targets, bool quick) {
    const char* words = detail == Detail::kFull ? ", all fields but state" : "";
    const char* packets = family == Family::kIpv4 ? "" : ": v6";
    return sized({fmt::format("{} rules{}{}", name_of(mix), words, packets), count}, targets, quick, [=] {
        auto world = with(generate::generate_policy(mix, count, kScenarioSeed, detail));
        ask_no_state(world->policy);
        world->flows = aimed(world->policy, world->context, family);
        return world;
    });
}

// Of the rules of the policy, one more before all others: it denies what comes from a list.
void put_list_first(Policy& policy, std::size_t prefixes) {
    Policy list = blocklist(Family::kIpv4, prefixes);
    policy.rules.insert(policy.rules.begin(), list.rules.front());
    policy.sets = std::move(list.sets);
}

Scenario rules_and_list(Mix mix, std::size_t count, std::size_t prefixes, const Targets& targets) {
    const std::string name =
        fmt::format("{} {} rules + {} prefixes", short_number(count), name_of(mix), short_number(prefixes));
    return {name, targets, false, [=] {
                Policy policy = generate::generate_policy(mix, count, kScenarioSeed, Detail::kFiveTuple);
                put_list_first(policy, prefixes);
                auto world = with(std::move(policy));
                world->flows = aimed(world->policy, world->context, Family::kIpv4);
                return world;
            }};
}

// So high that no packet is over it: what counting costs.
Scenario rated(const char* per) {
    const std::string whom = *per == 0 ? "for all" : per;
    return {fmt::format("a rate {}", whom), kNone, false, [per] {
                Policy policy;
                Rule rule;
                rule.name = "rated";
                rule.services = {policy::Service{}};
                rule.rate = policy::parse_rate(fmt::format("over 1000000000/second {}", per)).value();
                policy.rules = {policy::canonical(rule)};
                auto world = with(std::move(policy));
                world->flows = any_flow(Family::kIpv4);
                return world;
            }};
}

Rule of_state(const char* state, policy::Action action) {
    Rule rule;
    rule.name = state;
    rule.action = action;
    rule.services = {policy::Service{}};
    const auto value = policy::parse_field(policy::Field::kState, state).value();
    rule.fields.push_back({policy::Field::kState, {value}});
    return policy::canonical(rule);
}

// Default deny, answers are let in; before that as many rules as there may be.
Policy stateful(std::size_t rules) {
    Policy policy;
    if (rules > 0) policy = generate::generate_policy(Mix::kAcl, rules, kScenarioSeed, Detail::kFiveTuple);
    for (Rule& rule : policy.rules) rule.action = policy::Action::kDeny;
    policy.rules.push_back(of_state("established", policy::Action::kAllow));
    policy.defaults.in = policy::Action::kDeny;
    return policy;
}

// Packets of flows that are known, behind rules and a list, as many as there are to be.
Scenario established(std::size_t rules, std::size_t prefixes, const Targets& targets, bool quick) {
    std::string behind;
    if (rules > 0) behind += fmt::format(" behind {} ACL-like rules", short_number(rules));
    if (prefixes > 0) behind += fmt::format(" + {} prefixes", short_number(prefixes));
    return {fmt::format("established flow{}", behind), targets, quick, [=] {
                Policy policy = stateful(rules);
                if (prefixes > 0) put_list_first(policy, prefixes);
                auto world = with(std::move(policy));
                world->traffic = Traffic::kEstablished;
                world->flows = datagrams();
                return world;
            }};
}

Scenario new_flow(bool let_pass) {
    return {let_pass ? "new flow, let pass" : "no flow, dropped: a flood", kNone, true, [=] {
                auto world = with(stateful(0));
                if (let_pass) world->policy.rules.push_back(of_state("new", policy::Action::kAllow));
                world->traffic = Traffic::kFresh;
                if (!let_pass) world->seed++;  // the flows before have left theirs in the table
                world->flows = datagrams();
                return world;
            }};
}

}  // namespace

std::string short_number(std::size_t count) {
    if (count >= 1'000'000) return fmt::format("{}M", count / 1'000'000);
    if (count >= 1'000) return fmt::format("{}k", count / 1'000);
    return fmt::format("{}", count);
}

Policy blocklist(Family family, std::size_t count) {
    Policy policy;
    policy::Set set;
    set.name = "listed";
    set.elements = generate::generate_prefixes(generate::PrefixKind::kFeed, family, count, kScenarioSeed);
    policy::reduce(set.elements);
    policy.sets = {std::move(set)};
    Rule rule;
    rule.name = "listed";
    rule.services = {policy::Service{}};
    rule.from.sets = {"listed"};
    policy.rules = {std::move(rule)};
    return policy;
}

// The targets are those of the design's table of whole paths, and of its table of building blocks where that
// has no such row.
std::vector<Scenario> scenarios() {
    using enum Family;
    constexpr auto kFive = Detail::kFiveTuple;
    constexpr auto kAll = Detail::kFull;
    return {
        no_rules(),
        no_rules_heard("a listener to drops", {.reasons = std::uint64_t{1} << FW_REASON_RULE_DENY}),
        no_rules_heard("a listener to all", {}),
        no_rules_heard("a capture of drops",
                       {.reasons = std::uint64_t{1} << FW_REASON_RULE_DENY, .bytes = FW_MAX_CAPTURED}),
        no_rules_heard("a capture of all", {.bytes = FW_MAX_CAPTURED}),
        no_rules_ipv6(),
        icmp_denied(),
        listed_prefixes(kIpv4, 1'000, true, kNone, false),
        listed_prefixes(kIpv4, 1'000, false, kNone, false),
        listed_prefixes(kIpv4, 100'000, true, kNone, true),
        listed_prefixes(kIpv4, 100'000, false, kNone, false),
        listed_prefixes(kIpv4, 1'000'000, true, {15, 38, 106, 106}, false),
        listed_prefixes(kIpv4, 1'000'000, false, {1, 2, 20, 20}, false),
        listed_prefixes(kIpv6, 1'000, true, kNone, false),
        listed_prefixes(kIpv6, 1'000, false, kNone, false),
        listed_prefixes(kIpv6, 100'000, true, kNone, false),
        listed_prefixes(kIpv6, 100'000, false, kNone, false),
        listed_prefixes(kIpv6, 200'000, true, {25, 53, 186, 186}, false),
        listed_prefixes(kIpv6, 200'000, false, kNone, false),
        listed_prefixes(kIpv6, 1'000'000, true, {30, 101, 450, 453}, false),
        listed_prefixes(kIpv6, 1'000'000, false, kNone, false),
        rules(Mix::kAcl, 10, kFive, kIpv4, kNone, false),
        rules(Mix::kAcl, 100, kFive, kIpv4, {13, 17, 20, 22}, false),
        rules(Mix::kAcl, 1'000, kFive, kIpv4, {36, 62, 76, 76}, true),
        rules(Mix::kAcl, 10'000, kFive, kIpv4, {65, 96, 121, 121}, true),
        rules(Mix::kAcl, 10'000, kFive, kIpv6, kNone, false),
        rules(Mix::kAcl, 100'000, kFive, kIpv4, {98, 157, 314, 341}, false),
        rules(Mix::kFirewall, 10, kFive, kIpv4, kNone, false),
        rules(Mix::kFirewall, 100, kFive, kIpv4, {32, 47, 58, 58}, false),
        rules(Mix::kFirewall, 1'000, kFive, kIpv4, {59, 94, 106, 106}, true),
        rules(Mix::kFirewall, 10'000, kFive, kIpv4, {125, 180, 221, 221}, false),
        rules(Mix::kFirewall, 100'000, kFive, kIpv4, kNone, false),
        rules(Mix::kWildcard, 10, kFive, kIpv4, kNone, false),
        rules(Mix::kWildcard, 100, kFive, kIpv4, kNone, false),
        rules(Mix::kWildcard, 1'000, kFive, kIpv4, kNone, false),
        rules(Mix::kWildcard, 10'000, kFive, kIpv4, kNone, false),
        rules(Mix::kWildcard, 100'000, kFive, kIpv4, kNone, false),
        rules(Mix::kAcl, 1'000, kAll, kIpv4, kNone, false),
        rules(Mix::kAcl, 10'000, kAll, kIpv4, kNone, false),
        rules_and_list(Mix::kAcl, 1'000, 1'000'000, {55, 83, 139, 139}),
        rules_and_list(Mix::kFirewall, 1'000, 1'000'000, {69, 108, 160, 160}),
        established(0, 0, kNone, true),
        established(10'000, 0, kNone, false),
        established(10'000, 1'000'000, {115, std::nullopt, 170, 170}, false),
        new_flow(true),
        new_flow(false),
        rated(""),
        rated("per source"),
        rated("per flow"),
    };
}

}  // namespace fwctl::bench
