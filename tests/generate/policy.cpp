#include "generate/policy.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "generate/networks.h"
#include "generate/prefixes.h"
#include "generate/random.h"
#include "generate/rule_maker.h"
#include "policy/prefix.h"
#include "policy/prefix_list.h"

namespace fwctl::generate {

using policy::Family;
using policy::Policy;
using policy::Prefix;
using policy::Rule;
using policy::Service;
using policy::Set;

namespace {

constexpr unsigned kVariations = 8;  // percent
constexpr std::size_t kNone = SIZE_MAX;

Set static_set(std::string name, std::size_t count, Random& random) {
    Set set;
    set.name = std::move(name);
    set.elements = generate_prefixes(PrefixKind::kFeed, Family::kIpv4, count - count / 4, random.bits());
    const auto ipv6 = generate_prefixes(PrefixKind::kFeed, Family::kIpv6, count / 4, random.bits());
    set.elements.insert(set.elements.end(), ipv6.begin(), ipv6.end());
    policy::reduce(set.elements);
    return set;
}

Set dynamic_set(std::string name, std::chrono::seconds timeout) {
    Set set;
    set.name = std::move(name);
    set.dynamic = true;
    set.timeout = timeout;
    set.size = 1024;
    return set;
}

// By name.
std::vector<Set> draw_sets(Detail detail, Random& random) {
    std::vector<Set> sets;
    if (detail == Detail::kFiveTuple) return sets;
    if (detail == Detail::kFull) sets.push_back(dynamic_set("banned", std::chrono::minutes(10)));
    if (random.percent(30)) sets.push_back(static_set("blocklist", random.between(2000, 20000), random));
    sets.push_back(static_set("countries", random.between(100, 2000), random));
    if (random.percent(20)) sets.push_back(static_set("empty", 0, random));
    sets.push_back(static_set("partners", random.between(4, 60), random));
    sets.push_back(static_set("staff", random.between(4, 8), random));
    if (detail == Detail::kFull) sets.push_back(dynamic_set("visitors", std::chrono::seconds(0)));
    return sets;
}

std::vector<policy::Attach> attachments() {
    std::vector<policy::Attach> list(4);
    constexpr std::pair<const char*, const char*> kNames[] = {
        {"docker", "docker0"}, {"guests", "veth*"}, {"lan", "eth1"}, {"wan", "eth0"}};
    for (std::size_t i = 0; i < list.size(); ++i) {
        list[i].name = kNames[i].first;
        list[i].device = kNames[i].second;
    }
    return list;
}

// How much of the world a rule speaks of, as the logarithm of a number of packets, and very roughly.

unsigned breadth(const policy::Addresses& addresses) {
    constexpr unsigned kAll = 34;
    if (addresses.prefixes.empty()) return addresses.sets.empty() ? kAll : 20;
    unsigned most = 0;
    for (const Prefix& prefix : addresses.prefixes) {
        const unsigned bits = policy::address_bits(prefix.family);
        most = std::max(most, (bits - prefix.length) * 32 / bits);
    }
    return most;
}

unsigned breadth(const std::vector<Service>& services) {
    unsigned most = 0;
    for (const Service& service : services) {
        if (service.kind == Service::Kind::kAny) return 24;
        unsigned bits = service.has_selector ? 0 : 16;
        if (service.has_selector)
            while (bits < 16 && service.selector.last - service.selector.first >= 1 << bits) ++bits;
        most = std::max(most, bits);
    }
    return most;
}

std::uint64_t breadth(const Rule& rule) {
    const std::uint64_t addresses = breadth(rule.from) + breadth(rule.to);
    const std::size_t narrowed = std::min<std::size_t>(4 * rule.fields.size() + 2 * rule.on.size(), 12);
    return addresses + breadth(rule.services) + 12 - narrowed;
}

// A rule, and the earlier one that it is a variation of.
struct Draft {
    Rule rule;
    std::size_t model = kNone;
};

// Narrow rules first, but not strictly; half of the variations behind their models, so that some never
// decide; those that only count anywhere in front of where they would be.
std::vector<Rule> order(std::vector<Draft> drafts, Random& random) {
    std::vector<std::pair<std::uint64_t, std::size_t>> places;
    for (std::size_t i = 0; i < drafts.size(); ++i) {
        const Draft& draft = drafts[i];
        std::uint64_t place = breadth(draft.rule) + random.below(14);
        if (draft.model != kNone && random.percent(50))
            place = std::max(place, places[draft.model].first + random.below(20));
        if (policy::goes_on(draft.rule.action)) place = random.below(place + 1);
        places.emplace_back(place, i);
    }
    std::sort(places.begin(), places.end());
    std::vector<Rule> ordered;
    ordered.reserve(drafts.size());
    for (const auto& [place, index] : places) ordered.push_back(std::move(drafts[index].rule));
    return ordered;
}

std::vector<policy::Member> draw_members(const std::vector<Prefix>& prefixes, std::uint64_t now,
                                         Random& random) {
    std::vector<policy::Member> members;
    for (const Prefix& prefix : prefixes) {
        policy::Member member{prefix};
        constexpr std::uint64_t kHour = 3'600'000'000'000;
        if (random.percent(50)) member.expires = random.percent(30) ? now : now + kHour;
        members.push_back(member);
    }
    return members;
}

}  // namespace

Policy generate_policy(Mix mix, std::size_t count, std::uint64_t seed, Detail detail) {
    Random random(seed);
    Policy policy;
    policy.attachments = attachments();
    policy.sets = draw_sets(detail, random);
    std::vector<std::string> set_names;
    for (const Set& set : policy.sets) set_names.push_back(set.name);

    const Networks networks(count / 3 + 8, habits_of(mix).hosts, random);
    RuleMaker maker(mix, detail, count, networks, set_names, random);
    std::vector<Draft> drafts;
    drafts.reserve(count);
    while (drafts.size() < count) {
        if (drafts.empty() || !random.percent(kVariations)) {
            drafts.push_back({maker.make()});
            continue;
        }
        const std::size_t model = random.below(drafts.size());
        drafts.push_back({maker.vary(drafts[model].rule), model});
    }
    policy.rules = order(std::move(drafts), random);
    for (std::size_t i = 0; i < count; ++i) policy.rules[i].name = fmt::format("rule {}", i + 1);
    return policy;
}

policy::Context generate_context(const Policy& policy, std::uint64_t seed, std::uint64_t now) {
    Random random(seed);
    policy::Context context;
    context.sets = &policy.sets;
    for (const Set& set : policy.sets) {
        if (!set.dynamic) continue;
        const std::uint64_t count = random.below(41);
        auto prefixes = generate_prefixes(PrefixKind::kFeed, Family::kIpv4, count, random.bits());
        const auto ipv6 = generate_prefixes(PrefixKind::kFeed, Family::kIpv6, count, random.bits());
        prefixes.insert(prefixes.end(), ipv6.begin(), ipv6.end());
        if (!prefixes.empty()) context.members[set.name] = draw_members(prefixes, now, random);
    }
    return context;
}

}  // namespace fwctl::generate
