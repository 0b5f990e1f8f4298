#include "policy/check.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "policy/addresses.h"
#include "policy/field.h"
#include "policy/prefix.h"
#include "policy/schema.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

using Found = std::optional<Contradiction>;

const FieldMatch* find_field(const Rule& rule, Field field) {
    const auto match = std::find_if(rule.fields.begin(), rule.fields.end(),
                                    [field](const FieldMatch& known) { return known.field == field; });
    return match == rule.fields.end() ? nullptr : &*match;
}

bool is_any(const Service& service) {
    return service.kind == Service::Kind::kAny;
}

bool is_tcp(const Service& service) {
    return service.kind == Service::Kind::kProtocol && service.protocol == kProtocolTcp;
}

// Keys that belong to one action.
Found check_action(const Rule& rule) {
    struct Owned {
        std::string_view key;
        Action action;
        bool is_there;
    };
    const std::array owned = {
        Owned{"reject", Action::kReject, rule.reject_with != RejectWith::kAuto},
        Owned{"redirect", Action::kRedirect, rule.redirect.has_value()},
        Owned{"sample", Action::kLog, rule.sample != 1},
    };
    for (const Owned& row : owned) {
        if (row.is_there && rule.action != row.action) {
            return Contradiction{row.key, fmt::format("\"{}\" goes with action = \"{}\" alone", row.key,
                                                      action_name(row.action))};
        }
    }
    return std::nullopt;
}

Found check_redirect(const Rule& rule) {
    if (rule.action != Action::kRedirect) {
        return std::nullopt;
    }
    if (!rule.redirect || (rule.redirect->interface.empty() && !rule.redirect->via)) {
        return Contradiction{
            "action", "where to? add redirect = { to = \"eth1\" } or redirect = { via = \"192.0.2.1\" }"};
    }
    if (rule.direction == Direction::kOut) {
        return Contradiction{"direction",
                             "a packet that goes out cannot be redirected; write direction = \"in\""};
    }
    const bool has_other_family = rule.redirect->via && (!admits(rule.from, rule.redirect->via->family) ||
                                                         !admits(rule.to, rule.redirect->via->family));
    if (has_other_family) {
        return Contradiction{"redirect", fmt::format("{} is no neighbour for packets of another IP version",
                                                     format_prefix(*rule.redirect->via))};
    }
    return std::nullopt;
}

// A rule with action synproxy has to match a client's SYN, the ACK that brings its cookie, and what follows.
Found check_handshake(const Rule& rule) {
    struct Parts {
        std::string_view key;
        Field field;
        std::string_view reason;
    };
    constexpr std::array kParts = {
        Parts{"flags", Field::kTcpFlags, "SYNs and the ACKs that answer them differ in their flags"},
        Parts{"state", Field::kState, "it looks itself at what is part of a connection and what opens one"},
        Parts{"length", Field::kLength, "SYNs and the ACKs that answer them differ in length"},
        Parts{"fragment", Field::kFragment, "it takes whole segments alone"},
    };
    for (const Parts& part : kParts) {
        if (find_field(rule, part.field) != nullptr) {
            return Contradiction{part.key, fmt::format("synproxy does not go with \"{}\": {}; leave it out",
                                                       part.key, part.reason)};
        }
    }
    return std::nullopt;
}

Found check_synproxy(const Rule& rule) {
    if (rule.action != Action::kSynproxy) {
        return std::nullopt;
    }
    const auto odd = std::find_if(rule.services.begin(), rule.services.end(),
                                  [](const Service& service) { return !is_tcp(service); });
    if (odd != rule.services.end()) {
        return Contradiction{"action",
                             is_any(*odd)
                                 ? "synproxy is for TCP; add service = \"tcp/443\", or another one"
                                 : fmt::format("synproxy is for TCP, which {} is not", format_service(*odd))};
    }
    if (rule.direction == Direction::kOut) {
        return Contradiction{"direction",
                             "synproxy answers who comes in, not this host; write direction = \"in\""};
    }
    if (rule.ban) {
        return Contradiction{"ban", "synproxy bans nobody: who has sent a SYN is not known"};
    }
    return check_handshake(rule);
}

Found check_ban(const Rule& rule) {
    if (!rule.ban) {
        return std::nullopt;
    }
    if (goes_on(rule.action)) {
        return Contradiction{"ban", fmt::format("\"ban\" goes with an action that decides, which {} does not",
                                                action_name(rule.action))};
    }
    if (rule.direction == Direction::kOut) {
        return Contradiction{"ban",
                             "what goes out is this host's own: it bans nobody; write direction = \"in\""};
    }
    return std::nullopt;
}

// Keys that some protocols have: with services, all of these have to be of them.
Found check_protocols(const Rule& rule) {
    struct Needs {
        std::string_view key;
        bool is_there;
        bool (*fits)(const Service&);
        std::string_view protocols;
    };
    const std::array needs = {
        Needs{"sport", find_field(rule, Field::kSourcePort) != nullptr, has_ports, "tcp, udp or sctp"},
        Needs{"flags", find_field(rule, Field::kTcpFlags) != nullptr, is_tcp, "tcp"},
    };
    for (const Needs& row : needs) {
        const auto odd =
            std::find_if(rule.services.begin(), rule.services.end(),
                         [&](const Service& service) { return !is_any(service) && !row.fits(service); });
        if (row.is_there && odd != rule.services.end()) {
            return Contradiction{row.key, fmt::format("\"{}\" needs {}, which {} is not", row.key,
                                                      row.protocols, format_service(*odd))};
        }
    }
    const bool is_all_tcp = std::all_of(rule.services.begin(), rule.services.end(), is_tcp) ||
                            find_field(rule, Field::kTcpFlags) != nullptr;
    if (rule.reject_with == RejectWith::kTcpReset && !is_all_tcp) {
        return Contradiction{"reject",
                             "tcp-reset answers TCP alone; write service = \"tcp\", or reject = \"auto\""};
    }
    return std::nullopt;
}

// Later fragments have neither ports nor flags.
Found check_fragment(const Rule& rule) {
    const FieldMatch* fragment = find_field(rule, Field::kFragment);
    const bool is_later_alone = fragment != nullptr && fragment->any_of.front().first ==
                                                           static_cast<std::uint64_t>(FragmentKind::kLater);
    const bool needs_header = find_field(rule, Field::kSourcePort) != nullptr ||
                              find_field(rule, Field::kTcpFlags) != nullptr ||
                              std::all_of(rule.services.begin(), rule.services.end(),
                                          [](const Service& service) { return service.has_selector; });
    if (is_later_alone && needs_header) {
        return Contradiction{"fragment",
                             "the rule can never match: later fragments have no ports, types or flags"};
    }
    return std::nullopt;
}

bool admits_ethertype(const Rule& rule, std::uint16_t ethertype) {
    const FieldMatch* match = find_field(rule, Field::kEthertype);
    return match == nullptr || std::any_of(match->any_of.begin(), match->any_of.end(),
                                           [&](const Interval& part) { return part.contains(ethertype); });
}

bool admits_family(const Rule& rule, Family family) {
    constexpr std::uint16_t kIpv4 = 0x0800;
    constexpr std::uint16_t kIpv6 = 0x86dd;
    return admits(rule.from, family) && admits(rule.to, family) &&
           admits_ethertype(rule, family == Family::kIpv4 ? kIpv4 : kIpv6) &&
           std::any_of(rule.services.begin(), rule.services.end(), [family](const Service& service) {
               return !service.family_bound || service.family == family;
           });
}

bool is_of_ip(Field field) {
    return field != Field::kLength && field != Field::kVlan && field != Field::kMac &&
           field != Field::kEthertype;
}

Found check_families(const Rule& rule) {
    if (admits_family(rule, Family::kIpv4) || admits_family(rule, Family::kIpv6)) {
        return std::nullopt;
    }
    const bool needs_ip =
        !rule.from.empty() || !rule.to.empty() ||
        std::none_of(rule.services.begin(), rule.services.end(),
                     [](const Service& service) { return service.kind != Service::Kind::kProtocol; }) ||
        std::any_of(rule.fields.begin(), rule.fields.end(),
                    [](const FieldMatch& match) { return is_of_ip(match.field); });
    if (!needs_ip) {
        return std::nullopt;
    }
    for (const auto& [key, addresses] : {std::pair("from", &rule.from), std::pair("to", &rule.to)}) {
        if (!admits(*addresses, Family::kIpv4) && !admits(*addresses, Family::kIpv6)) {
            return Contradiction{key, fmt::format("\"{}\" excepts all that it names", key)};
        }
    }
    if (!admits_ethertype(rule, 0x0800) && !admits_ethertype(rule, 0x86dd)) {
        return Contradiction{"ethertype",
                             "the rule can never match: what else it asks for, IP packets alone have"};
    }
    return Contradiction{"",
                         "the rule can never match: its services and addresses are of different IP versions"};
}

}  // namespace

std::optional<Contradiction> find_contradiction(const Rule& rule) {
    for (const auto check : {check_action, check_redirect, check_synproxy, check_ban, check_protocols,
                             check_fragment, check_families}) {
        if (Found found = check(rule)) {
            return found;
        }
    }
    return std::nullopt;
}

}  // namespace fwctl::policy
