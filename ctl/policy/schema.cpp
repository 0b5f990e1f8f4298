#include "policy/schema.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

using Words = std::vector<std::string>;

Status add_name(Rule& rule, std::string_view word) {
    rule.name = word;
    return check_name(word);
}

Words name_words(const Rule& rule) {
    return {rule.name};
}

Status add_action(Rule& rule, std::string_view word) {
    for (const Action action : {Action::kAllow, Action::kDeny}) {
        if (word == action_name(action)) {
            rule.action = action;
            return {};
        }
    }
    return fail(fmt::format("\"{}\" is not an action; write allow or deny", word), Exit::kUsage);
}

Words action_words(const Rule& rule) {
    return {std::string(action_name(rule.action))};
}

Status add_service(Rule& rule, std::string_view word) {
    const auto service = parse_service(word);
    if (!service) {
        return tl::unexpected<Error>(service.error());
    }
    const auto is_any = [](const Service& known) { return known.kind == Service::Kind::kAny; };
    if (!rule.services.empty() && (is_any(*service) || is_any(rule.services.back()))) {
        return fail("any already means every packet; leave out the other services", Exit::kUsage);
    }
    rule.services.push_back(*service);
    return {};
}

Words service_words(const Rule& rule) {
    Words words;
    for (const Service& service : rule.services) {
        if (service.kind != Service::Kind::kAny) {
            words.push_back(format_service(service));
        }
    }
    return words;
}

Status add_prefix(std::vector<Prefix>& prefixes, std::string_view word) {
    if (word.substr(0, 1) == "@") {
        return fail(fmt::format("sets such as {} are not supported yet", word), Exit::kUsage);
    }
    return parse_prefix(word).map([&](const Prefix& prefix) { prefixes.push_back(prefix); });
}

Words prefix_words(const std::vector<Prefix>& prefixes) {
    Words words;
    for (const Prefix& prefix : prefixes) {
        words.push_back(format_prefix(prefix));
    }
    return words;
}

Status add_from(Rule& rule, std::string_view word) {
    return add_prefix(rule.from.prefixes, word);
}
Words from_words(const Rule& rule) {
    return prefix_words(rule.from.prefixes);
}

Status add_to(Rule& rule, std::string_view word) {
    return add_prefix(rule.to.prefixes, word);
}
Words to_words(const Rule& rule) {
    return prefix_words(rule.to.prefixes);
}

Status add_on(Rule& rule, std::string_view word) {
    rule.on.emplace_back(word);
    return check_interface(word);
}

Words on_words(const Rule& rule) {
    return rule.on;
}

Status add_direction(Rule& rule, std::string_view word) {
    for (const Direction direction : {Direction::kIn, Direction::kOut}) {
        if (word == direction_name(direction)) {
            rule.direction = direction;
            return {};
        }
    }
    return fail(fmt::format("\"{}\" is not a direction; write in or out, or leave it out for both", word),
                Exit::kUsage);
}

Words direction_words(const Rule& rule) {
    if (rule.direction == Direction::kBoth) {
        return {};
    }
    return {std::string(direction_name(rule.direction))};
}

constexpr std::array kRuleKeys = {
    RuleKey{"name", ValueKind::kWord, true, "1 to 63 of A-Z a-z 0-9 . , _ / : @ - and blanks",
            "What the rule is called; no two rules share a name.", add_name, name_words},
    RuleKey{"action", ValueKind::kWord, true, "allow or deny", "What becomes of a packet that matches.",
            add_action, action_words},
    RuleKey{"service", ValueKind::kWords, false,
            "any, icmp, tcp/22, udp/1000-2000, icmp6/echo-request, gre, 47",
            "Protocol and destination port, or ICMP type; absent: every packet, IP or not.", add_service,
            service_words},
    RuleKey{"from", ValueKind::kWords, false, "192.0.2.1, 192.0.2.0/24, 2001:db8::/32",
            "Source address; absent: any.", add_from, from_words},
    RuleKey{"to", ValueKind::kWords, false, "192.0.2.1, 192.0.2.0/24, 2001:db8::/32",
            "Destination address; absent: any.", add_to, to_words},
    RuleKey{"on", ValueKind::kWords, false, "eth0, veth*",
            "Interface that the packet passes; absent: every attached one.", add_on, on_words},
    RuleKey{"direction", ValueKind::kWord, false, "in or out",
            "Into the interface or out of it; absent: both.", add_direction, direction_words},
};

}  // namespace

std::span<const RuleKey> rule_keys() {
    return kRuleKeys;
}

const RuleKey* find_rule_key(std::string_view name) {
    const auto* row = std::find_if(kRuleKeys.begin(), kRuleKeys.end(),
                                   [name](const RuleKey& key) { return key.name == name; });
    return row == kRuleKeys.end() ? nullptr : row;
}

std::string_view action_name(Action action) {
    return action == Action::kAllow ? "allow" : "deny";
}

std::string_view direction_name(Direction direction) {
    switch (direction) {
        case Direction::kIn:
            return "in";
        case Direction::kOut:
            return "out";
        case Direction::kBoth:
            break;
    }
    return "both";
}

}  // namespace fwctl::policy
