#include "policy/evaluate.h"

#include <gtest/gtest.h>

#include "policy/builtin.h"
#include "policy/command.h"
#include "policy/prefix.h"

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
    packet.interface = "eth0";
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
    packet.interface = "eth0";
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

TEST(FirstMatch, IsTheFirst) {
    const Policy policy{.rules = {deny({"udp"}), deny({"tcp", "from", "10.0.0.0/8"}), deny({"tcp"})}};
    EXPECT_EQ(first_match(policy, kSsh), 1U);
    EXPECT_EQ(first_match(policy, kSsh6), 2U);
    EXPECT_EQ(first_match(policy, kPing), std::nullopt);
    EXPECT_EQ(first_match(Policy{}, kPing), std::nullopt);
}

TEST(FirstMatch, FindsTheBuiltinRuleOfEachNecessity) {
    const Policy policy{.rules = builtin_rules()};
    const auto rule_for = [&](const PacketView& packet) -> std::string {
        const auto index = first_match(policy, packet);
        return index ? policy.rules[*index].name : "none";
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
    const Policy policy{.rules = builtin_rules()};
    const auto is_dhcp = [&](const PacketView& packet) {
        const auto index = first_match(policy, packet);
        return index && policy.rules[*index].name == "dhcp-replies";
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
