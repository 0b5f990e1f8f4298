#include "policy/builtin.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "policy/icmp.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

constexpr std::uint16_t kEthertypeArp = 0x0806;
constexpr std::uint16_t kEthertypeIpv4 = 0x0800;
constexpr std::uint16_t kEthertypeIpv6 = 0x86dd;
constexpr std::string_view kLockout = "lockout";
constexpr std::string_view kLockoutReplies = "lockout-replies";

struct Builtin {
    std::string_view name;
    std::string_view refuses;  // for the rules that the parser judges
    std::string_view why;
};

constexpr std::array kBuiltins = {
    Builtin{"malformed", "malformed packets",
            "Headers that are cut short or contradict themselves cannot be judged, and receivers read them "
            "differently "
            "(RFC 1858, RFC 3128, RFC 7112)."},
    Builtin{"vlan-depth", "packets with too many VLAN tags",
            "More VLAN tags than are looked through would hide the packet from every other rule (IEEE "
            "802.1ad stacks two)."},
    Builtin{"header-chain", "packets with too many IPv6 extension headers",
            "A longer chain of IPv6 extension headers than is walked would hide the protocol from every "
            "other rule "
            "(RFC 8200, RFC 9098)."},
    Builtin{"arp", "", "Without ARP no IPv4 neighbour is found (RFC 826)."},
    Builtin{
        "neighbor-discovery", "",
        "Router and neighbour discovery are to IPv6 what ARP is to IPv4 (RFC 4861; RFC 4890 section 4.4.1)."},
    Builtin{"icmp6-essential", "",
            "IPv6 reports errors and keeps multicast membership with these messages; RFC 4890 (sections "
            "4.3.1 and 4.4.1) says "
            "that they must not be dropped."},
    Builtin{"packet-too-big", "",
            "Path MTU discovery fails without it, and connections hang when they send much (RFC 1191, RFC "
            "8201, RFC 4890)."},
    Builtin{"dhcp-replies", "", "The host keeps its own IPv4 address: answers of DHCP servers (RFC 2131)."},
    Builtin{"dhcpv6-replies", "",
            "The host keeps its own IPv6 address: answers of DHCPv6 servers (RFC 8415)."},
    Builtin{kLockout, "", "The way in that the policy keeps open whatever its rules say."},
    Builtin{kLockoutReplies, "", "The answers to those whom the lockout guard lets in."},
};

Service icmp_message(Family family, Range selector) {
    Service service;
    service.kind = Service::Kind::kProtocol;
    service.protocol = family == Family::kIpv4 ? kProtocolIcmp : kProtocolIcmp6;
    service.family_bound = true;
    service.family = family;
    service.has_selector = true;
    service.selector = selector;
    return service;
}

Service icmp6_types(std::uint8_t first, std::uint8_t last) {
    return icmp_message(Family::kIpv6, icmp_types(first, last));
}

FieldMatch one_value(Field field, std::uint64_t value) {
    return {field, {{~std::uint64_t{0}, value, value}}};
}

Rule rule_of(std::string_view name, Action action, std::vector<Service> services) {
    Rule rule;
    rule.name = name;
    rule.action = action;
    rule.services = std::move(services);
    rule.origin = Origin::kBuiltin;
    return canonical(std::move(rule));
}

Rule arp() {
    Rule rule = rule_of("arp", Action::kAllow, {});
    rule.fields = {one_value(Field::kEthertype, kEthertypeArp)};
    return rule;
}

// Answers of a server to the host's own client: bound to one IP version by the ethertype.
Rule dhcp(std::string_view name, std::uint16_t ethertype, std::uint16_t from_port, std::uint16_t to_port) {
    Service service;
    service.kind = Service::Kind::kProtocol;
    service.protocol = kProtocolUdp;
    service.has_selector = true;
    service.selector = {to_port, to_port};
    Rule rule = rule_of(name, Action::kAllow, {service});
    rule.fields = {one_value(Field::kSourcePort, from_port), one_value(Field::kEthertype, ethertype)};
    rule.direction = Direction::kIn;
    return rule;
}

// What the service sends back: to any port from its own; of ICMP any message.
Service reply_of(Service service) {
    if (service.family_bound)
        service.has_selector = false;
    else
        service.source_port = service.selector;
    service.selector = Range{};
    return service;
}

void append_lockout(const Lockout& lockout, std::vector<Rule>& rules) {
    Rule way_in = rule_of(kLockout, Action::kAllow, lockout.services);
    way_in.direction = Direction::kIn;
    way_in.from = lockout.from;
    rules.push_back(canonical(std::move(way_in)));

    std::vector<Service> replies;
    std::transform(lockout.services.begin(), lockout.services.end(), std::back_inserter(replies), reply_of);
    Rule way_out = rule_of(kLockoutReplies, Action::kAllow, std::move(replies));
    way_out.direction = Direction::kOut;
    way_out.to = lockout.from;
    rules.push_back(canonical(std::move(way_out)));
}

const Builtin* find_builtin(std::string_view name) {
    const auto* row = std::find_if(kBuiltins.begin(), kBuiltins.end(),
                                   [name](const Builtin& known) { return known.name == name; });
    return row == kBuiltins.end() ? nullptr : row;
}

}  // namespace

std::vector<Rule> builtin_rules() {
    return {
        rule_of("malformed", Action::kDeny, {}),
        rule_of("vlan-depth", Action::kDeny, {}),
        rule_of("header-chain", Action::kDeny, {}),
        arp(),
        rule_of("neighbor-discovery", Action::kAllow, {icmp6_types(133, 137)}),
        rule_of("icmp6-essential", Action::kAllow,
                {icmp6_types(1, 1), icmp6_types(3, 4), icmp6_types(130, 132), icmp6_types(143, 143)}),
        rule_of("packet-too-big", Action::kAllow,
                {icmp_message(Family::kIpv4, icmp_code(3, 4)), icmp6_types(2, 2)}),
        dhcp("dhcp-replies", kEthertypeIpv4, 67, 68),
        dhcp("dhcpv6-replies", kEthertypeIpv6, 547, 546),
    };
}

std::vector<Rule> effective_rules(const Policy& policy, const std::vector<Rule>& live) {
    std::vector<Rule> rules;
    if (policy.defaults.lockout) {
        append_lockout(*policy.defaults.lockout, rules);
    }
    const auto& disabled = policy.disabled_builtins;
    for (Rule& rule : builtin_rules()) {
        if (!std::binary_search(disabled.begin(), disabled.end(), rule.name)) {
            rules.push_back(std::move(rule));
        }
    }
    rules.insert(rules.end(), live.begin(), live.end());
    rules.insert(rules.end(), policy.rules.begin(), policy.rules.end());
    return rules;
}

std::optional<std::string_view> describe_builtin(std::string_view name) {
    const Builtin* row = find_builtin(name);
    return row == nullptr ? std::nullopt : std::optional(row->why);
}

std::optional<std::string_view> judged_by_parser(const Rule& rule) {
    const Builtin* row = rule.origin == Origin::kBuiltin ? find_builtin(rule.name) : nullptr;
    return row == nullptr || row->refuses.empty() ? std::nullopt : std::optional(row->refuses);
}

}  // namespace fwctl::policy
