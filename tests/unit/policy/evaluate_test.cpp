#include "policy/evaluate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "generate/address.h"
#include "generate/prefixes.h"
#include "policy/builtin.h"
#include "policy/command.h"
#include "policy/field.h"
#include "policy/prefix.h"
#include "policy/prefix_list.h"

namespace fwctl::policy {
namespace {

Rule deny(const std::vector<std::string>& words) {
    return parse_rule_words(Action::kDeny, words).value();
}

PacketView ip(const char* source, const char* destination, std::uint8_t protocol) {
    PacketView packet;
    packet.family = parse_prefix(source).value().family;
    packet.ethertype = packet.family == Family::kIpv4 ? 0x0800 : 0x86dd;
    packet.source = parse_prefix(source).value().address;
    packet.destination = parse_prefix(destination).value().address;
    packet.protocol = protocol;
    packet.interfaces = {"wan", "eth0"};
    return packet;
}

PacketView with_l4(PacketView packet, std::uint16_t source_port, std::uint16_t selector) {
    packet.has_l4 = true;
    packet.source_port = source_port;
    packet.selector = selector;
    return packet;
}

PacketView arp() {
    PacketView packet;
    packet.ethertype = 0x0806;
    packet.interfaces = {"wan", "eth0"};
    return packet;
}

const PacketView kPing = with_l4(ip("10.0.0.1", "192.0.2.1", 1), 0, 0x0800);
const PacketView kSsh = with_l4(ip("10.0.0.1", "192.0.2.1", 6), 40000, 22);
const PacketView kSsh6 = with_l4(ip("2001:db8::1", "2001:db8::2", 6), 40000, 22);

TEST(Matches, AnyIsEveryPacketThatIsNotIpToo) {
    EXPECT_TRUE(matches(deny({"any"}), kPing));
    EXPECT_TRUE(matches(deny({"any"}), arp()));
    EXPECT_FALSE(matches(deny({"any", "from", "0.0.0.0/0", "::/0"}), arp()));
    EXPECT_FALSE(matches(deny({"any", "to", "0.0.0.0/0", "::/0"}), arp()));
}

TEST(Matches, ComparesProtocolAndFamily) {
    EXPECT_TRUE(matches(deny({"icmp"}), kPing));
    EXPECT_FALSE(matches(deny({"icmp6"}), kPing));
    EXPECT_FALSE(matches(deny({"icmp"}), ip("2001:db8::1", "2001:db8::2", 1)));
    EXPECT_TRUE(matches(deny({"1"}), ip("2001:db8::1", "2001:db8::2", 1)));
    EXPECT_FALSE(matches(deny({"tcp"}), kPing));
    EXPECT_TRUE(matches(deny({"tcp"}), kSsh));
    EXPECT_TRUE(matches(deny({"tcp"}), kSsh6));
    EXPECT_FALSE(matches(deny({"tcp"}), arp()));
    EXPECT_TRUE(matches(deny({"udp", "tcp"}), kSsh));
}

TEST(Matches, PortsNeedALayer4Header) {
    EXPECT_TRUE(matches(deny({"tcp/22"}), kSsh));
    EXPECT_TRUE(matches(deny({"tcp/20-22"}), kSsh));
    EXPECT_FALSE(matches(deny({"tcp/23"}), kSsh));
    EXPECT_FALSE(matches(deny({"tcp/40000"}), kSsh));
    PacketView fragment = kSsh;
    fragment.has_l4 = false;
    EXPECT_FALSE(matches(deny({"tcp/22"}), fragment));
    EXPECT_FALSE(matches(deny({"tcp/1-65535"}), fragment));
    EXPECT_TRUE(matches(deny({"tcp"}), fragment));
}

TEST(Matches, ComparesAddresses) {
    EXPECT_TRUE(matches(deny({"tcp", "from", "10.0.0.0/8"}), kSsh));
    EXPECT_FALSE(matches(deny({"tcp", "to", "10.0.0.0/8"}), kSsh));
    EXPECT_TRUE(matches(deny({"tcp", "to", "10.0.0.0/8", "192.0.2.1"}), kSsh));
    EXPECT_FALSE(matches(deny({"tcp", "from", "0.0.0.0/0"}), kSsh6));
    EXPECT_FALSE(matches(deny({"tcp", "from", "10.0.0.0/8", "to", "192.0.2.2"}), kSsh));
}

TEST(Matches, ComparesInterfaceAndDirection) {
    EXPECT_TRUE(matches(deny({"tcp", "on", "wan"}), kSsh));
    EXPECT_TRUE(matches(deny({"tcp", "on", "lan", "eth0"}), kSsh));
    EXPECT_FALSE(matches(deny({"tcp", "on", "lan", "eth1"}), kSsh));
    EXPECT_TRUE(matches(deny({"tcp", "on", "docker0", "eth*"}), kSsh));
    EXPECT_FALSE(matches(deny({"tcp", "on", "docker0"}), kSsh));
    EXPECT_TRUE(matches(deny({"tcp", "in"}), kSsh));
    EXPECT_FALSE(matches(deny({"tcp", "out"}), kSsh));
}

TEST(Matches, EndsWhenTheRuleExpires) {
    Rule rule = deny({"tcp"});
    rule.expires = 100;
    PacketView packet = kSsh;
    packet.now = 99;
    EXPECT_TRUE(matches(rule, packet));
    packet.now = 100;
    EXPECT_FALSE(matches(rule, packet));
}

// Rules that files alone can have.

struct Asked {
    std::vector<Prefix> prefixes = {};
    std::vector<std::string> sets = {};
    std::vector<Prefix> except = {};
    std::vector<std::string> except_sets = {};
};

Rule from(const Asked& asked) {
    Rule rule;
    rule.services = {Service{}};
    rule.from = {asked.prefixes, asked.sets, asked.except, asked.except_sets};
    return rule;
}

Rule asking(Field field, std::initializer_list<const char*> words) {
    Rule rule;
    rule.services = {Service{}};
    rule.fields = {{field, {}}};
    for (const char* word : words) {
        rule.fields[0].any_of.push_back(parse_field(field, word).value());
    }
    return rule;
}

std::vector<Prefix> prefixes(std::initializer_list<const char*> texts) {
    std::vector<Prefix> list;
    for (const char* text : texts) {
        list.push_back(parse_prefix(text).value());
    }
    std::sort(list.begin(), list.end());
    return list;
}

TEST(Matches, ExceptTakesAway) {
    const Rule all_but = from({.except = prefixes({"10.0.0.0/8"})});
    EXPECT_FALSE(matches(all_but, kSsh));
    EXPECT_TRUE(matches(all_but, ip("192.0.2.1", "10.0.0.1", 6)));
    EXPECT_TRUE(matches(all_but, kSsh6)) << "no IPv6 address is in it";
    EXPECT_FALSE(matches(all_but, arp())) << "it has no address";

    const Rule some_but =
        from({.prefixes = prefixes({"10.0.0.0/8"}), .except = prefixes({"10.0.0.1", "10.0.0.3"})});
    EXPECT_FALSE(matches(some_but, kSsh));
    EXPECT_TRUE(matches(some_but, ip("10.0.0.2", "192.0.2.1", 6)));
    EXPECT_FALSE(matches(some_but, ip("11.0.0.2", "192.0.2.1", 6)));
    EXPECT_FALSE(matches(some_but, kSsh6));
}

TEST(Matches, LooksIntoSets) {
    std::vector<Set> sets(2);
    sets[0].name = "admins";
    sets[0].elements = prefixes({"10.0.0.0/31", "192.0.2.0/24", "2001:db8::/64"});
    sets[1].name = "nobody";
    const Context context{.sets = &sets};
    EXPECT_TRUE(matches(from({.sets = {"admins"}}), kSsh, context));
    EXPECT_TRUE(matches(from({.sets = {"nobody", "admins"}}), kSsh, context));
    EXPECT_TRUE(matches(from({.sets = {"admins"}}), kSsh6, context));
    EXPECT_FALSE(matches(from({.sets = {"admins"}}), ip("10.0.0.2", "10.0.0.1", 6), context));
    EXPECT_FALSE(matches(from({.sets = {"admins"}}), arp(), context));
    EXPECT_FALSE(matches(from({.sets = {"nobody"}}), kSsh, context)) << "an empty set matches nothing";
    EXPECT_FALSE(matches(from({.sets = {"admins"}}), kSsh)) << "so does one that nobody described";
    EXPECT_TRUE(matches(from({.prefixes = prefixes({"10.0.0.1"}), .sets = {"nobody"}}), kSsh, context));

    EXPECT_FALSE(matches(from({.except_sets = {"admins"}}), kSsh, context));
    EXPECT_TRUE(matches(from({.except_sets = {"nobody"}}), kSsh, context));
    EXPECT_FALSE(matches(from({.except_sets = {"nobody"}}), arp(), context));
    EXPECT_FALSE(
        matches(from({.prefixes = prefixes({"10.0.0.0/8"}), .except_sets = {"admins"}}), kSsh, context));
    EXPECT_FALSE(matches(from({.sets = {"admins"}, .except = prefixes({"10.0.0.1"})}), kSsh, context));

    Rule to = from({});
    to.to.sets = {"admins"};
    EXPECT_TRUE(matches(to, kSsh, context));
    EXPECT_FALSE(matches(to, ip("10.0.0.1", "10.0.0.2", 6), context));
}

TEST(Matches, MembersOfASetEnd) {
    std::vector<Set> sets(1);
    sets[0].name = "admins";
    sets[0].elements = prefixes({"192.0.2.0/24"});
    Context context{.sets = &sets};
    context.members["banned"] = {{parse_prefix("10.0.0.0/8").value(), 100}};
    context.members["admins"] = {{parse_prefix("10.0.0.0/31").value(), 0}};
    PacketView packet = kSsh;
    packet.now = 99;
    EXPECT_TRUE(matches(from({.sets = {"banned"}}), packet, context));
    EXPECT_FALSE(matches(from({.except_sets = {"banned"}}), packet, context));
    packet.now = 100;
    EXPECT_FALSE(matches(from({.sets = {"banned"}}), packet, context));
    EXPECT_TRUE(matches(from({.except_sets = {"banned"}}), packet, context));
    EXPECT_TRUE(matches(from({.sets = {"admins"}}), packet, context)) << "beside those of the policy";
}

TEST(Matches, FindsEveryElementOfALargeSet) {
    std::vector<Set> sets(1);
    sets[0].name = "list";
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        const auto some = generate::generate_prefixes(generate::PrefixKind::kRoutes, family, 500, 1);
        sets[0].elements.insert(sets[0].elements.end(), some.begin(), some.end());
    }
    reduce(sets[0].elements);
    const Rule listed = from({.sets = {"list"}});
    const auto is_listed = [&](Family family, const generate::Address& address) {
        return std::any_of(sets[0].elements.begin(), sets[0].elements.end(),
                           [&](const Prefix& prefix) { return contains(prefix, family, address); });
    };
    int hits = 0;
    int misses = 0;
    for (const Prefix& prefix : sets[0].elements) {
        const auto first = generate::first_of(prefix);
        const auto last = generate::last_of(prefix);
        for (const auto& address :
             {first, last, generate::previous(prefix.family, first), generate::next(prefix.family, last)}) {
            PacketView packet;
            packet.family = prefix.family;
            packet.source = address;
            const bool expected = is_listed(prefix.family, address);
            ASSERT_EQ(matches(listed, packet, {.sets = &sets}), expected) << format_prefix(prefix);
            ++(expected ? hits : misses);
        }
    }
    EXPECT_GT(hits, 1000);
    EXPECT_GT(misses, 500);
}

TEST(ValueOf, IsThereWhenThePacketHasTheField) {
    PacketView tcp = kSsh;
    tcp.mac = 0x525400123456;
    tcp.vlan = 7;
    tcp.length = 60;
    tcp.ttl = 64;
    tcp.dscp = 46;
    tcp.tcp_flags = 0x12;
    EXPECT_EQ(value_of(Field::kSourcePort, tcp), 40000);
    EXPECT_EQ(value_of(Field::kTcpFlags, tcp), 0x12);
    EXPECT_EQ(value_of(Field::kFragment, tcp), 0);
    EXPECT_EQ(value_of(Field::kLength, tcp), 60);
    EXPECT_EQ(value_of(Field::kTtl, tcp), 64);
    EXPECT_EQ(value_of(Field::kDscp, tcp), 46);
    EXPECT_EQ(value_of(Field::kVlan, tcp), 7);
    EXPECT_EQ(value_of(Field::kMac, tcp), 0x525400123456);
    EXPECT_EQ(value_of(Field::kEthertype, tcp), 0x0800);

    PacketView later = tcp;
    later.fragment = FragmentKind::kLater;
    later.has_l4 = false;
    EXPECT_EQ(value_of(Field::kSourcePort, later), std::nullopt);
    EXPECT_EQ(value_of(Field::kTcpFlags, later), std::nullopt);
    EXPECT_EQ(value_of(Field::kFragment, later), 3);

    for (const std::uint8_t protocol : {17, 132}) {
        const PacketView packet = with_l4(ip("10.0.0.1", "192.0.2.1", protocol), 40000, 22);
        EXPECT_EQ(value_of(Field::kSourcePort, packet), 40000);
        EXPECT_EQ(value_of(Field::kTcpFlags, packet), std::nullopt);
    }
    EXPECT_EQ(value_of(Field::kSourcePort, kPing), std::nullopt);
    EXPECT_EQ(value_of(Field::kSourcePort, ip("10.0.0.1", "192.0.2.1", 47)), std::nullopt);
    EXPECT_EQ(value_of(Field::kMac, kPing), std::nullopt) << "it starts at the IP header";
    EXPECT_EQ(value_of(Field::kVlan, kPing), kNoVlan);

    PacketView other = arp();
    other.length = 46;
    for (const Field field :
         {Field::kSourcePort, Field::kTcpFlags, Field::kFragment, Field::kTtl, Field::kDscp}) {
        EXPECT_EQ(value_of(field, other), std::nullopt);
    }
    EXPECT_EQ(value_of(Field::kLength, other), 46);
    EXPECT_EQ(value_of(Field::kEthertype, other), 0x0806);
}

TEST(Matches, AsksOneIntervalOfEachField) {
    PacketView packet = kSsh;
    packet.ttl = 64;
    packet.tcp_flags = 0x02;
    EXPECT_TRUE(matches(asking(Field::kTtl, {"1", "60-64"}), packet));
    EXPECT_FALSE(matches(asking(Field::kTtl, {"1", "60-63"}), packet));
    EXPECT_TRUE(matches(asking(Field::kTcpFlags, {"syn+!ack"}), packet));
    EXPECT_FALSE(matches(asking(Field::kTcpFlags, {"syn+ack", "none"}), packet));
    EXPECT_TRUE(matches(asking(Field::kTcpFlags, {"!ack"}), packet));
    EXPECT_FALSE(matches(asking(Field::kTcpFlags, {"!ack"}), kPing)) << "it has no flags";
    EXPECT_FALSE(matches(asking(Field::kTtl, {"0-255"}), arp()));
    EXPECT_TRUE(matches(asking(Field::kEthertype, {"arp"}), arp()));
    EXPECT_TRUE(matches(asking(Field::kVlan, {"none"}), arp()));

    Rule both = asking(Field::kTtl, {"64"});
    both.fields.push_back(asking(Field::kTcpFlags, {"syn"}).fields[0]);
    EXPECT_TRUE(matches(both, packet));
    packet.ttl = 65;
    EXPECT_FALSE(matches(both, packet));
}

TEST(FirstMatch, IsTheFirst) {
    const std::vector<Rule> rules{deny({"udp"}), deny({"tcp", "from", "10.0.0.0/8"}), deny({"tcp"})};
    EXPECT_EQ(first_match(rules, kSsh), 1U);
    EXPECT_EQ(first_match(rules, kSsh6), 2U);
    EXPECT_EQ(first_match(rules, kPing), std::nullopt);
    EXPECT_EQ(first_match({}, kPing), std::nullopt);
}

TEST(Evaluate, CountsOnItsWay) {
    std::vector<Rule> rules(5, deny({"tcp"}));
    rules[0].action = Action::kLog;
    rules[1] = deny({"udp"});
    rules[1].action = Action::kCount;
    rules[2].action = Action::kCount;
    rules[3].action = Action::kAllow;
    rules[4].action = Action::kCount;
    EXPECT_EQ(evaluate(rules, kSsh), (Verdict{3, {0, 2}}));
    EXPECT_EQ(evaluate(rules, kPing), (Verdict{std::nullopt, {}}));
    rules[3] = deny({"udp"});
    EXPECT_EQ(evaluate(rules, kSsh), (Verdict{std::nullopt, {0, 2, 4}}));
}

TEST(FirstMatch, FindsTheBuiltinRuleOfEachNecessity) {
    const std::vector<Rule> rules = builtin_rules();
    const auto rule_for = [&](const PacketView& packet) -> std::string {
        const auto index = first_match(rules, packet);
        return index ? rules[*index].name : "none";
    };
    const auto icmp6 = [](int type) {
        return with_l4(ip("fe80::1", "ff02::1", 58), 0, static_cast<std::uint16_t>(type * 256));
    };
    EXPECT_EQ(rule_for(arp()), "arp");
    for (const int type : {133, 134, 135, 136, 137}) {
        EXPECT_EQ(rule_for(icmp6(type)), "neighbor-discovery") << type;
    }
    for (const int type : {1, 3, 4, 130, 131, 132, 143}) {
        EXPECT_EQ(rule_for(icmp6(type)), "icmp6-essential") << type;
    }
    for (const int type : {0, 5, 128, 129, 138, 142, 144, 255}) {
        EXPECT_EQ(rule_for(icmp6(type)), "none") << type;
    }
    EXPECT_EQ(rule_for(icmp6(2)), "packet-too-big");
    EXPECT_EQ(rule_for(with_l4(ip("10.0.0.1", "10.0.0.2", 1), 0, 0x0304)), "packet-too-big");
    EXPECT_EQ(rule_for(with_l4(ip("10.0.0.1", "10.0.0.2", 1), 0, 0x0303)), "none");
    EXPECT_EQ(rule_for(kPing), "none");
}

TEST(FirstMatch, LetsDhcpAnswersInAndNothingLikeThem) {
    const std::vector<Rule> rules = builtin_rules();
    const auto is_dhcp = [&](const PacketView& packet) {
        const auto index = first_match(rules, packet);
        return index && rules[*index].name.ends_with("-replies");
    };
    const PacketView offer = with_l4(ip("10.0.0.1", "255.255.255.255", 17), 67, 68);
    const PacketView advertise = with_l4(ip("fe80::1", "fe80::2", 17), 547, 546);
    EXPECT_TRUE(is_dhcp(offer));
    EXPECT_TRUE(is_dhcp(advertise));
    PacketView outgoing = offer;
    outgoing.direction = Direction::kOut;
    EXPECT_FALSE(is_dhcp(outgoing));
    EXPECT_FALSE(is_dhcp(with_l4(offer, 68, 67)));
    EXPECT_FALSE(is_dhcp(with_l4(offer, 1067, 68)));
    EXPECT_FALSE(is_dhcp(with_l4(offer, 547, 546)));
    EXPECT_FALSE(is_dhcp(with_l4(advertise, 67, 68)));
}

}  // namespace
}  // namespace fwctl::policy
