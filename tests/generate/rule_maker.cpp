#include "generate/rule_maker.h"

#include <algorithm>
#include <utility>

#include "generate/address.h"
#include "generate/fields.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::generate {

using policy::Action;
using policy::Addresses;
using policy::Direction;
using policy::Family;
using policy::Field;
using policy::FieldMatch;
using policy::Prefix;
using policy::Rule;
using policy::Service;

namespace {

constexpr const char* kPatterns[] = {"wan", "lan", "docker", "guests", "eth0", "eth*", "veth*", "docker?"};

// Another block beside it or around it, of the same family.
Prefix moved(const Prefix& prefix, Random& random) {
    if (prefix.length == 0) return prefix;
    if (random.percent(50))
        return block_around(prefix.family, prefix.address, static_cast<std::uint8_t>(prefix.length - 1));
    return block_around(prefix.family, next(prefix.family, last_of(prefix)), prefix.length);
}

Prefix narrowed(const Prefix& prefix, Random& random) {
    const std::uint64_t length = random.between(prefix.length, policy::address_bits(prefix.family));
    return any_within(prefix, static_cast<std::uint8_t>(length), random);
}

bool is_tcp(const Rule& rule) {
    return std::all_of(rule.services.begin(), rule.services.end(), [](const Service& service) {
        return service.kind == Service::Kind::kProtocol && service.protocol == policy::kProtocolTcp;
    });
}

bool has_ports(const Rule& rule) {
    const auto& service = rule.services.front();
    return rule.services.size() == 1 &&
           (service.protocol == policy::kProtocolTcp || service.protocol == policy::kProtocolUdp);
}

FieldMatch source_port(Random& random) {
    const policy::Range ports = random_ports(random);
    return {Field::kSourcePort, {{~std::uint64_t{0}, ports.first, ports.last}}};
}

bool is_open(const policy::Addresses& addresses) {
    return addresses.prefixes.empty() && addresses.sets.empty();
}

// Whether it holds for nearly all packets, or for those of a protocol.
bool is_open(const Rule& rule) {
    const bool any_port = std::any_of(rule.services.begin(), rule.services.end(),
                                      [](const Service& service) { return !service.has_selector; });
    return any_port && is_open(rule.from) && is_open(rule.to) && rule.fields.empty() && rule.on.empty();
}

bool can_match(const Rule& rule) {
    return policy::check_rule(rule).has_value();
}

}  // namespace

Habits habits_of(Mix mix) {
    switch (mix) {
        case Mix::kAcl:
            return {8, 6, 70, 12, 15, 10, 4, 15};
        case Mix::kFirewall:
            return {40, 25, 40, 8, 15, 45, 25, 25};
        case Mix::kWildcard:
            return {75, 70, 30, 15, 20, 40, 25, 70};
    }
    return {};
}

RuleMaker::RuleMaker(Mix mix, Detail detail, std::size_t count, const Networks& networks,
                     std::vector<std::string> sets, Random& random)
    : habits_(habits_of(mix)),
      detail_(detail),
      count_(count),
      networks_(networks),
      sets_(std::move(sets)),
      random_(random),
      opens_(random.percent(25)) {}

Rule RuleMaker::make() {
    Rule rule;
    do {
        rule = policy::canonical(draw());
    } while (!can_match(rule) || (is_open(rule) && !opens_));
    return rule;
}

Rule RuleMaker::vary(const Rule& rule) {
    Rule varied = policy::canonical(draw_variation(rule));
    return can_match(varied) && (opens_ || !is_open(varied)) ? varied : rule;
}

Rule RuleMaker::draw() {
    const std::uint64_t kind = random_.below(100);
    const Families families = kind < 65 ? Families::kIpv4 : kind < 92 ? Families::kIpv6 : Families::kBoth;
    Rule rule;
    rule.services = services(families);
    rule.from = addresses(families, habits_.any_source);
    rule.to = addresses(families, habits_.any_destination);
    if (detail_ == Detail::kFiveTuple) {
        if (has_ports(rule) && random_.percent(habits_.source_port)) rule.fields = {source_port(random_)};
    } else {
        rule.fields = fields(rule);
        if (random_.percent(15)) rule.on.emplace_back(random_.pick(kPatterns));
        if (random_.percent(4)) rule.on.emplace_back(random_.pick(kPatterns));
        const std::uint64_t way = random_.below(100);
        if (way < 25) rule.direction = way < 18 ? Direction::kIn : Direction::kOut;
    }
    rule.origin = policy::Origin::kFile;
    draw_action(rule);
    return rule;
}

void RuleMaker::draw_action(Rule& rule) {
    rule.action = random_.percent(55) ? Action::kAllow : Action::kDeny;
    if (detail_ == Detail::kFiveTuple) return;
    rule.action = draw_file_action();
    if (rule.action == Action::kLog && random_.percent(50))
        rule.sample = static_cast<std::uint32_t>(random_.between(2, 100));
    if (rule.action != Action::kReject || random_.percent(50)) return;
    constexpr policy::RejectWith kAnswers[] = {policy::RejectWith::kPortUnreachable,
                                               policy::RejectWith::kHostUnreachable,
                                               policy::RejectWith::kAdminProhibited};
    rule.reject_with =
        is_tcp(rule) && random_.percent(50) ? policy::RejectWith::kTcpReset : random_.pick(kAnswers);
}

// Nobody counts by hundreds of rules, however many there are.
Action RuleMaker::draw_file_action() {
    if (random_.below(std::max<std::size_t>(count_, 400)) < 32)
        return random_.percent(60) ? Action::kCount : Action::kLog;
    if (random_.percent(10)) return Action::kReject;
    return random_.percent(55) ? Action::kAllow : Action::kDeny;
}

Rule RuleMaker::draw_variation(Rule rule) {
    switch (random_.below(5)) {
        case 0:  // a duplicate
            rule.reject_with = policy::RejectWith::kAuto;
            rule.sample = 1;
            draw_action(rule);
            break;
        case 1:
            rule.fields.clear();
            rule.on.clear();
            break;
        case 2:
            for (Service& service : rule.services) service.has_selector = false;
            for (Service& service : rule.services) service.selector = {};
            break;
        case 3:
            for (Prefix& prefix : rule.from.prefixes) prefix = moved(prefix, random_);
            break;
        default:
            for (auto* addresses : {&rule.from, &rule.to})
                for (Prefix& prefix : addresses->prefixes) prefix = narrowed(prefix, random_);
            if (detail_ != Detail::kFiveTuple && rule.direction == Direction::kBoth)
                rule.direction = Direction::kOut;
    }
    if (rule.reject_with == policy::RejectWith::kTcpReset && !is_tcp(rule))
        rule.reject_with = policy::RejectWith::kAuto;
    return rule;
}

Family RuleMaker::family(Families families) {
    if (families == Families::kBoth) return random_.percent(50) ? Family::kIpv4 : Family::kIpv6;
    return families == Families::kIpv4 ? Family::kIpv4 : Family::kIpv6;
}

std::vector<Prefix> RuleMaker::blocks(Families families) {
    std::vector<Prefix> blocks;
    if (families == Families::kBoth)
        blocks = {networks_.pick(Family::kIpv4, random_), networks_.pick(Family::kIpv6, random_)};
    else
        blocks = {networks_.pick(family(families), random_)};
    if (detail_ != Detail::kFiveTuple && random_.percent(15))
        for (std::uint64_t i = random_.between(1, 3); i > 0; --i)
            blocks.push_back(networks_.pick(family(families), random_));
    return blocks;
}

Addresses RuleMaker::addresses(Families families, unsigned any) {
    Addresses addresses;
    if (random_.percent(any)) return addresses;
    if (detail_ == Detail::kFiveTuple) {
        addresses.prefixes = {networks_.pick(family(families), random_)};
        return addresses;
    }
    const std::uint64_t kind = random_.below(100);
    if (kind < 12) addresses.sets = {random_.pick(sets_)};
    if (kind >= 10 && kind < 94) addresses.prefixes = blocks(families);
    if (kind >= 94 && kind < 97) addresses.except = blocks(families);
    if (kind >= 97) addresses.except_sets = {random_.pick(sets_)};
    if (random_.percent(8))
        for (const Prefix& prefix : addresses.prefixes) addresses.except.push_back(narrowed(prefix, random_));
    // What is excepted whole leaves nothing.
    for (const Prefix& prefix : addresses.except) {
        if (std::find(addresses.prefixes.begin(), addresses.prefixes.end(), prefix) ==
            addresses.prefixes.end())
            continue;
        addresses.except.clear();
        break;
    }
    return addresses;
}

std::vector<Service> RuleMaker::services(Families families) {
    if (random_.percent(habits_.any_service)) return {Service{}};
    std::vector<Service> services;
    std::uint64_t count = detail_ != Detail::kFiveTuple && random_.percent(15) ? random_.between(2, 4) : 1;
    for (; count > 0; --count)
        services.push_back(random_service(family(families), habits_.any_port, habits_.port_range, random_));
    return services;
}

std::vector<FieldMatch> RuleMaker::fields(const Rule& rule) {
    std::vector<FieldMatch> fields;
    unsigned chance = habits_.fields;
    while (random_.percent(chance)) {
        chance = 30;
        const FieldMatch match = random_field(rule.services, random_);
        const bool is_there = std::any_of(fields.begin(), fields.end(), [&](const FieldMatch& other) {
            return other.field == match.field;
        });
        // Ethertypes are mostly those of packets without addresses.
        const bool has_addresses = !rule.from.empty() || !rule.to.empty();
        if (!is_there && (match.field != Field::kEthertype || !has_addresses)) fields.push_back(match);
    }
    std::sort(fields.begin(), fields.end());
    return fields;
}

}  // namespace fwctl::generate
