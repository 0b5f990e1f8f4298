#include "analyze/ipv6.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "analyze/words.h"
#include "policy/service.h"

namespace fwctl::analyze {

namespace {

constexpr std::size_t kComparisons = 20'000'000;  // of two rules: half a second or so

enum class Effect : std::uint8_t { kAllow, kDeny, kOther };

Effect effect_of(const Rule& rule) {
    switch (rule.action) {
        case Action::kAllow:
            return Effect::kAllow;
        case Action::kDeny:
        case Action::kReject:
            return Effect::kDeny;
        default:
            return Effect::kOther;
    }
}

// Whether the default has another effect in a direction of the rule.
bool default_differs(const Rule& rule, const Defaults& defaults) {
    Rule like = rule;
    like.action = effect_of(rule) == Effect::kAllow ? Action::kAllow : Action::kDeny;
    return !directions_by_default(like, defaults, false).empty();
}

bool is_icmp(const Service& service) {
    return service.kind == Service::Kind::kProtocol && service.protocol == policy::kProtocolIcmp &&
           service.family_bound;
}

// Tells what rules say of IPv6.
class Ipv6 {
public:
    Ipv6(const std::vector<AskedRule>& rules, AddressBook& addresses, Translator& translator, Space& space)
        : rules_(rules), addresses_(addresses), translator_(translator), space_(space) {}

    // What is wrong with the rule; nullopt: nothing, or nothing that is certain enough.
    std::optional<std::string> forgotten_icmp6(const Rule& rule);
    std::optional<std::string> forgotten_addresses(const Rule& rule);

private:
    bool is_open(const Addresses& addresses) {
        const auto has_dynamic = [this](const std::vector<std::string>& sets) {
            return std::any_of(sets.begin(), sets.end(),
                               [this](const std::string& set) { return addresses_.is_dynamic(set); });
        };
        return addresses.empty() || has_dynamic(addresses.sets) ||
               addresses_.of(addresses, Family::kIpv6).named != nullptr;
    }
    bool is_all_of_ipv4(const Addresses& addresses) {
        const Ranges* named = addresses_.of(addresses, Family::kIpv4).named;
        return !is_open(addresses) && named != nullptr && *named == *space_.every_address(Family::kIpv4);
    }
    // Of another rule than `but`; nullptr for any. True when it has been asked too often.
    bool is_matched(const Box& box, Effect effect, const Rule* but) {
        if (comparisons_left_ < rules_.size()) {
            return true;
        }
        comparisons_left_ -= rules_.size();
        return std::any_of(rules_.begin(), rules_.end(), [&](const AskedRule& other) {
            return other.rule != but && other.rule->origin != Origin::kBuiltin &&
                   effect_of(*other.rule) == effect &&
                   std::any_of(other.boxes.begin(), other.boxes.end(),
                               [&](const Box& theirs) { return intersect(theirs, box); });
        });
    }
    // Whether the rule matches something in IPv6, nothing of which another rule denies.
    bool is_alone_in_ipv6(const Rule& twin, const Rule& rule);

    const std::vector<AskedRule>& rules_;
    AddressBook& addresses_;
    Translator& translator_;
    Space& space_;
    std::size_t comparisons_left_ = kComparisons;
};

std::optional<std::string> Ipv6::forgotten_icmp6(const Rule& rule) {
    const bool has_icmp = std::any_of(rule.services.begin(), rule.services.end(), is_icmp);
    Box icmp6;
    space_.narrow(icmp6, kKind, *space_.kinds(kind_of(Family::kIpv6, Layer4::kIcmp)));
    if (!has_icmp || !is_open(rule.from) || !is_open(rule.to) ||
        is_matched(icmp6, effect_of(rule), nullptr)) {
        return std::nullopt;
    }
    return fmt::format("rule \"{}\" {} icmp, which is IPv4 alone, and no rule {} icmp6", rule.name,
                       verb(rule.action, false), rule.action == Action::kAllow ? "allows" : "denies");
}

bool Ipv6::is_alone_in_ipv6(const Rule& twin, const Rule& rule) {
    std::vector<Box> boxes = translator_.boxes_of(twin);
    boxes.erase(std::remove_if(boxes.begin(), boxes.end(),
                               [this](Box& box) {
                                   return !space_.narrow(box, kKind, *space_.kinds(kinds_of(Family::kIpv6)));
                               }),
                boxes.end());
    return !boxes.empty() && std::none_of(boxes.begin(), boxes.end(), [&](const Box& box) {
        return is_matched(box, Effect::kDeny, &rule);
    });
}

std::optional<std::string> Ipv6::forgotten_addresses(const Rule& rule) {
    Rule twin = rule;
    for (Addresses* side : {&twin.from, &twin.to}) {
        if (is_all_of_ipv4(*side)) {
            *side = {};
        }
    }
    const bool has_all = twin.from != rule.from || twin.to != rule.to;
    if (has_all && is_open(twin.from) && is_open(twin.to) && is_alone_in_ipv6(twin, rule)) {
        return fmt::format("rule \"{}\" {} {} 0.0.0.0/0, which is IPv4 alone, and no rule denies it in IPv6",
                           rule.name, verb(rule.action, false), twin.from != rule.from ? "from" : "to");
    }
    const auto set = std::find_if(rule.from.sets.begin(), rule.from.sets.end(), [this](const auto& name) {
        return !addresses_.elements(name, Family::kIpv6).empty();
    });
    twin.to = {};
    if (set != rule.from.sets.end() && !is_open(rule.to) && is_alone_in_ipv6(twin, rule)) {
        return fmt::format(
            "rule \"{}\" never matches the IPv6 addresses of @{}: its \"to\" is of IPv4 alone, and no rule "
            "denies "
            "them",
            rule.name, *set);
    }
    return std::nullopt;
}

}  // namespace

std::vector<Finding> missing_ipv6(const std::vector<AskedRule>& rules, const Policy& policy,
                                  AddressBook& addresses, Translator& translator, Space& space) {
    Ipv6 ipv6(rules, addresses, translator, space);
    std::vector<Finding> findings;
    std::set<Effect> said_of_icmp;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const Rule& rule = *rules[i].rule;
        const Effect effect = effect_of(rule);
        if (rule.origin == Origin::kBuiltin || effect == Effect::kOther ||
            !default_differs(rule, policy.defaults)) {
            continue;
        }
        std::optional<std::string> message;
        if (!said_of_icmp.contains(effect)) {
            message = ipv6.forgotten_icmp6(rule);
            if (message) {
                said_of_icmp.insert(effect);
            }
        }
        if (!message && effect == Effect::kDeny) {
            message = ipv6.forgotten_addresses(rule);
        }
        if (message) {
            findings.push_back({Finding::Kind::kIpv4Only, i, rule.place, std::move(*message), {}});
        }
    }
    return findings;
}

}  // namespace fwctl::analyze
