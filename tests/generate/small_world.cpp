#include "generate/small_world.h"

#include <algorithm>
#include <utility>

#include "generate/address.h"
#include "generate/packets.h"
#include "policy/field.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::generate {

using policy::Action;
using policy::Direction;
using policy::Family;
using policy::Field;
using policy::FieldMatch;
using policy::PacketView;
using policy::Policy;
using policy::Prefix;
using policy::Rule;

namespace {

constexpr const char* kServices[] = {"any",       "tcp",    "udp",    "icmp",     "icmp6",     "1",
                                     "58",        "gre",    "tcp/22", "tcp/80",   "tcp/1-100", "udp/53",
                                     "udp/50-60", "icmp/8", "icmp/3", "icmp/3/4", "icmp6/128", "icmp6/1-4"};
constexpr const char* kPrefixes[] = {"0.0.0.0/0",       "10.0.0.0/8",   "10.1.0.0/16", "10.1.2.0/24",
                                     "10.1.2.3",        "192.0.2.0/25", "::/0",        "2001:db8::/32",
                                     "2001:db8:1::/48", "2001:db8:1::1"};
constexpr const char* kIpv4[] = {"10.0.0.1", "10.1.0.1",    "10.1.2.3",
                                 "10.1.2.4", "192.0.2.127", "192.0.2.128"};
constexpr const char* kIpv6[] = {"2001:db8::1", "2001:db8:1::1", "2001:db8:1::2", "2001:db9::1"};
constexpr const char* kPatternsOfWorld[] = {"eth0", "eth1", "eth*", "eth?", "docker0", "veth[1]", "*"};
constexpr const char* kSets[] = {"admins", "banned", "nobody"};
constexpr Direction kDirections[] = {Direction::kBoth, Direction::kBoth, Direction::kIn, Direction::kOut};
constexpr std::uint8_t kProtocols[] = {1, 6, 6, 6, 17, 17, 47, 58};
constexpr std::uint16_t kSelectors[] = {22, 53, 80, 100, 0x0304, 0x0301, 0x0800, 0x8000, 0x0200};

struct Words {
    Field field;
    std::vector<std::string_view> words;
};
const std::vector<Words>& field_words() {
    static const std::vector<Words> kWords = {
        {Field::kSourcePort, {"22", "53-80", "80-100", "0-65535"}},
        {Field::kTcpFlags, {"syn", "!ack", "syn+!ack", "syn+ack", "none"}},
        {Field::kFragment, {"no", "atomic", "first", "later", "any"}},
        {Field::kLength, {"48", "40-60", "0-48", "61-65535"}},
        {Field::kTtl, {"64", "0-63", "1"}},
        {Field::kDscp, {"ef", "0-46", "cs0"}},
        {Field::kVlan, {"10", "10-20", "none"}},
        {Field::kMac, {"52:54:00:00:00:01", "52:54:00:00:00:00/24"}},
        {Field::kEthertype, {"arp", "ip", "ip6", "0x88cc"}},
        {Field::kState, {"new", "established", "invalid", "untracked"}}};
    return kWords;
}

Address parse(const char* text) {
    return policy::parse_prefix(text).value().address;
}

}  // namespace

std::vector<Prefix> SmallWorld::prefixes(std::uint64_t most) {
    std::vector<Prefix> list;
    for (std::uint64_t i = below(most + 1); i > 0; --i)
        list.push_back(policy::parse_prefix(random_.pick(kPrefixes)).value());
    return list;
}

policy::Addresses SmallWorld::addresses() {
    policy::Addresses addresses;
    if (chance(2)) addresses.prefixes = prefixes(3);
    if (vocabulary_ == Vocabulary::kLive) return addresses;
    if (chance(6)) addresses.sets.emplace_back(random_.pick(kSets));
    if (chance(6)) addresses.except = prefixes(2);
    if (chance(10)) addresses.except_sets.emplace_back(random_.pick(kSets));
    return addresses;
}

Rule SmallWorld::raw_rule() {
    Rule rule;
    rule.action = chance(2) ? Action::kAllow : Action::kDeny;
    for (std::uint64_t i = below(4); i > 0; --i)
        rule.services.push_back(policy::parse_service(random_.pick(kServices)).value());
    if (rule.services.empty()) rule.services.emplace_back();
    rule.from = addresses();
    rule.to = addresses();
    if (chance(3))
        for (std::uint64_t i = below(3); i > 0; --i) rule.on.emplace_back(random_.pick(kPatternsOfWorld));
    rule.direction = random_.pick(kDirections);
    if (vocabulary_ == Vocabulary::kFile) add_file_words(rule);
    return rule;
}

void SmallWorld::add_file_words(Rule& rule) {
    constexpr Action kActions[] = {Action::kAllow, Action::kDeny, Action::kReject, Action::kCount,
                                   Action::kLog};
    rule.action = random_.pick(kActions);
    rule.origin = policy::Origin::kFile;
    for (const Words& known : field_words()) {
        if (!chance(10)) continue;
        FieldMatch match{known.field, {}};
        for (std::uint64_t i = random_.between(1, 2); i > 0; --i)
            match.any_of.push_back(policy::parse_field(known.field, random_.pick(known.words)).value());
        rule.fields.push_back(std::move(match));
    }
}

Rule SmallWorld::rule(std::size_t number) {
    Rule rule;
    do {
        rule = policy::canonical(raw_rule());
    } while (!policy::check_rule(rule));
    rule.name = "rule " + std::to_string(number);
    return rule;
}

Policy SmallWorld::policy(std::size_t most) {
    Policy policy;
    if (vocabulary_ == Vocabulary::kFile) policy.sets = small_sets();
    for (std::uint64_t i = below(most + 1); i > 0; --i) policy.rules.push_back(rule(i));
    return policy;
}

PacketView SmallWorld::packet() {
    const std::vector<std::string> kInterfaces[] = {{"eth0"},    {"eth1"},    {"wan", "eth10"},
                                                    {"docker0"}, {"veth[1]"}, {"veth1"}};
    constexpr std::uint16_t kEthertypes[] = {0x0806, 0x88cc};
    constexpr std::uint32_t kLengths[] = {20, 40, 48, 60, 61, 100};
    constexpr std::uint8_t kTtls[] = {1, 63, 64};
    constexpr std::uint8_t kDscps[] = {0, 46, 47};
    constexpr std::uint16_t kVlans[] = {10, 20, 21, policy::kNoVlan, policy::kNoVlan};
    constexpr std::uint8_t kFlags[] = {0x00, 0x02, 0x10, 0x12, 0x14};
    PacketView packet;
    packet.direction = chance(2) ? Direction::kIn : Direction::kOut;
    packet.interfaces = random_.pick(kInterfaces);
    packet.now = below(4);
    if (!chance(10)) packet.mac = random_.between(0x525400000000, 0x525400000002);
    if (chance(4)) packet.mac = 0x525401000001;
    packet.vlan = random_.pick(kVlans);
    packet.state = static_cast<policy::FlowState>(below(5));
    packet.ethertype = random_.pick(kEthertypes);
    packet.length = random_.pick(kLengths);
    if (chance(8)) return possible(packet);
    const bool is_ipv4 = chance(2);
    packet.family = is_ipv4 ? Family::kIpv4 : Family::kIpv6;
    packet.source = parse(is_ipv4 ? random_.pick(kIpv4) : random_.pick(kIpv6));
    packet.destination = parse(is_ipv4 ? random_.pick(kIpv4) : random_.pick(kIpv6));
    packet.ttl = random_.pick(kTtls);
    packet.dscp = random_.pick(kDscps);
    if (chance(4)) packet.fragment = static_cast<policy::FragmentKind>(random_.between(1, 3));
    packet.protocol = random_.pick(kProtocols);
    packet.source_port = random_.pick(kSelectors);
    packet.selector = random_.pick(kSelectors);
    packet.tcp_flags = random_.pick(kFlags);
    return possible(packet);
}

std::vector<policy::Set> small_sets() {
    std::vector<policy::Set> sets(3);
    for (std::size_t i = 0; i < sets.size(); ++i) sets[i].name = kSets[i];
    for (const char* element : {"10.1.2.0/24", "192.0.2.0/25", "2001:db8:1::/48"})
        sets[0].elements.push_back(policy::parse_prefix(element).value());
    std::sort(sets[0].elements.begin(), sets[0].elements.end());
    sets[1].dynamic = true;
    return sets;
}

policy::Context small_context(const std::vector<policy::Set>& sets) {
    policy::Context context;
    context.sets = &sets;
    context.members["banned"] = {{policy::parse_prefix("10.1.0.1").value(), 2},
                                 {policy::parse_prefix("2001:db8::/32").value(), 0}};
    return context;
}

}  // namespace fwctl::generate
