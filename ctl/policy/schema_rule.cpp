// The keys of a [[rule]].
#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/addresses.h"
#include "policy/field.h"
#include "policy/prefix.h"
#include "policy/rate.h"
#include "policy/rule.h"
#include "policy/schema.h"
#include "policy/service.h"
#include "policy/value.h"

namespace fwctl::policy {

namespace {

using Words = std::vector<std::string>;

constexpr std::array kActions = {
    Choice<Action>{"allow", Action::kAllow},       Choice<Action>{"deny", Action::kDeny},
    Choice<Action>{"reject", Action::kReject},     Choice<Action>{"redirect", Action::kRedirect},
    Choice<Action>{"synproxy", Action::kSynproxy}, Choice<Action>{"count", Action::kCount},
    Choice<Action>{"log", Action::kLog},
};

constexpr std::array kRejects = {
    Choice<RejectWith>{"auto", RejectWith::kAuto},
    Choice<RejectWith>{"tcp-reset", RejectWith::kTcpReset},
    Choice<RejectWith>{"port-unreachable", RejectWith::kPortUnreachable},
    Choice<RejectWith>{"host-unreachable", RejectWith::kHostUnreachable},
    Choice<RejectWith>{"admin-prohibited", RejectWith::kAdminProhibited},
};

Status add_name(Rule& rule, std::string_view word) {
    rule.name = word;
    return check_name(word);
}

Words name_words(const Rule& rule) {
    return {rule.name};
}

Status add_comment(Rule& rule, std::string_view word) {
    return read_text(rule.comment, word, "comment");
}

Words comment_words(const Rule& rule) {
    return rule.comment.empty() ? Words{} : Words{rule.comment};
}

Status add_action(Rule& rule, std::string_view word) {
    return choose<Action>(rule.action, kActions, word, "an action");
}

Words action_words(const Rule& rule) {
    return {std::string(action_name(rule.action))};
}

Status add_reject(Rule& rule, std::string_view word) {
    return choose<RejectWith>(rule.reject_with, kRejects, word, "an answer of reject");
}

Words reject_words(const Rule& rule) {
    return rule.reject_with == RejectWith::kAuto ? Words{}
                                                 : Words{std::string(reject_name(rule.reject_with))};
}

Redirect& redirect_of(Rule& rule) {
    return rule.redirect ? *rule.redirect : rule.redirect.emplace();
}

Status add_redirect_to(Rule& rule, std::string_view word) {
    return read_interface(redirect_of(rule).interface, word);
}

Words redirect_to_words(const Rule& rule) {
    return rule.redirect && !rule.redirect->interface.empty() ? Words{rule.redirect->interface} : Words{};
}

Status add_redirect_via(Rule& rule, std::string_view word) {
    return parse_address(word).map([&](const Prefix& address) { redirect_of(rule).via = address; });
}

Words redirect_via_words(const Rule& rule) {
    return rule.redirect && rule.redirect->via ? Words{format_prefix(*rule.redirect->via)} : Words{};
}

constexpr std::array kRedirectKeys = {
    RuleKey{"to", ValueKind::kWord, false, "eth1",
            "Interface that the packet leaves by; absent: the one that the route to `via` names.",
            add_redirect_to, redirect_to_words},
    RuleKey{"via", ValueKind::kWord, false, "192.0.2.1",
            "Neighbour that the packet is sent to, one less in its TTL; absent: the packet leaves as it is.",
            add_redirect_via, redirect_via_words},
};

std::span<const RuleKey> redirect_keys() {
    return kRedirectKeys;
}

Status add_sample(Rule& rule, std::string_view word) {
    return read_count(rule.sample, std::numeric_limits<std::uint32_t>::max(), word, "sample");
}

Words sample_words(const Rule& rule) {
    return rule.sample == 1 ? Words{} : Words{std::to_string(rule.sample)};
}

Ban& ban_of(Rule& rule) {
    return rule.ban ? *rule.ban : rule.ban.emplace();
}

Status add_ban_set(Rule& rule, std::string_view word) {
    ban_of(rule).set = word;
    return check_set_name(word);
}

Words ban_set_words(const Rule& rule) {
    return rule.ban ? Words{rule.ban->set} : Words{};
}

Status add_ban_for(Rule& rule, std::string_view word) {
    return parse_duration(word).map([&](std::chrono::seconds time) { ban_of(rule).lasts = time; });
}

Words ban_for_words(const Rule& rule) {
    return rule.ban && rule.ban->lasts.count() != 0 ? Words{format_duration(rule.ban->lasts)} : Words{};
}

constexpr std::array kBanKeys = {
    RuleKey{"set", ValueKind::kWord, true, "banned", "The dynamic set that the source address is put into.",
            add_ban_set, ban_set_words},
    RuleKey{"for", ValueKind::kWord, false, "90s, 10m, 1h30m",
            "How long it stays, unless it stays longer already; absent: the set's timeout.", add_ban_for,
            ban_for_words},
};

std::span<const RuleKey> ban_keys() {
    return kBanKeys;
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

Status add_from(Rule& rule, std::string_view word) {
    return add_address(rule.from, word);
}

Words from_words(const Rule& rule) {
    return address_words(rule.from);
}

Status add_to(Rule& rule, std::string_view word) {
    return add_address(rule.to, word);
}

Words to_words(const Rule& rule) {
    return address_words(rule.to);
}

template <Field kField>
Status add_field(Rule& rule, std::string_view word) {
    const auto interval = parse_field(kField, word);
    if (!interval) {
        return tl::unexpected<Error>(interval.error());
    }
    const auto known = std::find_if(rule.fields.begin(), rule.fields.end(),
                                    [](const FieldMatch& match) { return match.field == kField; });
    FieldMatch& match =
        known == rule.fields.end() ? rule.fields.emplace_back(FieldMatch{kField, {}}) : *known;
    match.any_of.push_back(*interval);
    return {};
}

template <Field kField>
Words field_words(const Rule& rule) {
    const auto match = std::find_if(rule.fields.begin(), rule.fields.end(),
                                    [](const FieldMatch& known) { return known.field == kField; });
    return match == rule.fields.end() ? Words{} : format_match(*match);
}

template <Field kField>
RuleKey field_key() {
    const FieldInfo& info = info_of(kField);
    return {info.key,          ValueKind::kNumbers, false, info.accepts, info.meaning,
            add_field<kField>, field_words<kField>};
}

Status add_on(Rule& rule, std::string_view word) {
    rule.on.emplace_back(word);
    return check_interface(word);
}

Words on_words(const Rule& rule) {
    return rule.on;
}

constexpr std::array kDirections = {Choice<Direction>{"in", Direction::kIn},
                                    Choice<Direction>{"out", Direction::kOut}};

Status add_direction(Rule& rule, std::string_view word) {
    if (choose<Direction>(rule.direction, kDirections, word, "a direction")) {
        return {};
    }
    return fail(fmt::format("\"{}\" is not a direction; write in or out, or leave it out for both", word),
                Exit::kUsage);
}

Words direction_words(const Rule& rule) {
    return rule.direction == Direction::kBoth ? Words{} : Words{std::string(direction_name(rule.direction))};
}

Status add_rate(Rule& rule, std::string_view word) {
    return parse_rate(word).map([&](const Rate& rate) { rule.rate = rate; });
}

Words rate_words(const Rule& rule) {
    return rule.rate ? Words{format_rate(*rule.rate)} : Words{};
}

constexpr std::string_view kAddressExamples =
    "192.0.2.1, 192.0.2.0/24, 192.0.2.1-192.0.2.9, @admins, !2001:db8::/32";

std::vector<RuleKey> make_rule_keys() {
    return {
        {"name", ValueKind::kWord, true, "1 to 63 of A-Z a-z 0-9 . , _ / : @ - and blanks",
         "What the rule is called; no two rules share a name.", add_name, name_words},
        {"comment", ValueKind::kWord, false, "one line of text", "Why the rule is there.", add_comment,
         comment_words},
        {"action", ValueKind::kWord, true, "allow, deny, reject, redirect, synproxy, count or log",
         "What becomes of a packet that matches; behind count and log the next rules are asked.", add_action,
         action_words},
        {"reject", ValueKind::kWord, false,
         "auto, tcp-reset, port-unreachable, host-unreachable or admin-prohibited",
         "What action reject answers; absent: auto, a reset for TCP and port unreachable for the rest.",
         add_reject, reject_words},
        {"redirect", ValueKind::kTable, false, "{ to = \"eth1\" } or { via = \"192.0.2.1\" } or both",
         "Where action redirect sends the packet.", nullptr, nullptr, redirect_keys},
        {"sample", ValueKind::kInteger, false, "100",
         "Action log reports one packet in so many, and counts them all; absent: every one.", add_sample,
         sample_words},
        {"ban", ValueKind::kTable, false, "{ set = \"banned\", for = \"1h\" }",
         "Where the source of a packet goes that the rule decides about; absent: nowhere.", nullptr, nullptr,
         ban_keys},
        {"service", ValueKind::kWords, false, "any, icmp, tcp/22, udp/1000-2000, icmp6/echo-request, gre, 47",
         "Protocol and destination port, or ICMP type; absent: every packet, IP or not.", add_service,
         service_words},
        {"from", ValueKind::kWords, false, kAddressExamples, "Source address; absent: any.", add_from,
         from_words},
        {"to", ValueKind::kWords, false, kAddressExamples, "Destination address; absent: any.", add_to,
         to_words},
        field_key<Field::kSourcePort>(),
        field_key<Field::kTcpFlags>(),
        field_key<Field::kFragment>(),
        field_key<Field::kLength>(),
        field_key<Field::kTtl>(),
        field_key<Field::kDscp>(),
        field_key<Field::kVlan>(),
        field_key<Field::kMac>(),
        field_key<Field::kEthertype>(),
        field_key<Field::kState>(),
        {"on", ValueKind::kWords, false, "eth0, veth*",
         "Attachment or interface that the packet passes; absent: every attached one.", add_on, on_words},
        {"direction", ValueKind::kWord, false, "in or out",
         "Into the interface or out of it; absent: both, for action redirect and synproxy, and with rate, "
         "ban or state in.",
         add_direction, direction_words},
        {"rate", ValueKind::kWord, false, "over 5/minute burst 10 per source, under 1000000/second bytes",
         "Packets that are over that rate, or under it (docs/rates.md); absent: every packet.", add_rate,
         rate_words},
    };
}

}  // namespace

std::span<const RuleKey> rule_keys() {
    static const std::vector<RuleKey> keys = make_rule_keys();
    return keys;
}

const RuleKey* find_rule_key(std::string_view name) {
    return find_key(rule_keys(), name);
}

std::span<const std::string_view> clause_keys() {
    static const std::vector<std::string_view> all = [] {
        std::vector<std::string_view> keys = {"from", "to"};
        for (const FieldInfo& info : fields()) {
            keys.push_back(info.key);
        }
        keys.emplace_back("on");
        return keys;
    }();
    return all;
}

std::string_view action_name(Action action) {
    return word_of<Action>(kActions, action);
}

std::string_view direction_name(Direction direction) {
    return direction == Direction::kBoth ? "both" : word_of<Direction>(kDirections, direction);
}

std::string_view origin_name(Origin origin) {
    if (origin == Origin::kBuiltin) return "built-in";
    return origin == Origin::kLive ? "live" : "policy";
}

std::string_view reject_name(RejectWith with) {
    return word_of<RejectWith>(kRejects, with);
}

}  // namespace fwctl::policy
