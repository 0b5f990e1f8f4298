#include "engine/why_not.h"

#include <gtest/gtest.h>

#include "policy/packet_text.h"
#include "policy/parse.h"

namespace fwctl::engine {
namespace {

policy::Rule rule_of(const std::string& keys) {
    auto parsed = policy::parse_policy("version = 1\n[[rule]]\nname = \"r\"\naction = \"deny\"\n" + keys,
                                       "policy.toml");
    if (!parsed) ADD_FAILURE() << parsed.error().render();
    return parsed ? parsed->rules.front() : policy::Rule{};
}

policy::PacketView packet_of(const std::string& words) {
    auto parsed = policy::parse_packet(words);
    if (!parsed) ADD_FAILURE() << parsed.error().render();
    policy::PacketView view = parsed ? parsed->packet : policy::PacketView{};
    view.interfaces = {"wan", "eth0"};
    return view;
}

std::string why(const std::string& keys, fw_row_part part, const std::string& words) {
    return why_not(rule_of(keys), part, packet_of(words));
}

TEST(WhyNotTest, OfTheService) {
    const std::string tcp = "tcp 192.0.2.1 > 192.0.2.2:80";
    EXPECT_EQ(why("service = \"tcp/443\"", FW_ROW_SELECTOR, tcp),
              "its service is tcp/443, the packet is tcp/80");
    EXPECT_EQ(why("service = [\"udp/1\", \"udp/3\", \"udp/5\", \"udp/7\", \"udp/9\"]", FW_ROW_TRAITS, tcp),
              "its service is udp/1, udp/3, udp/5, udp/7 and 1 more, the packet is tcp/80");
    EXPECT_EQ(why("service = \"icmp/echo-request\"", FW_ROW_SELECTOR, "icmp/3/4 192.0.2.1 > 192.0.2.2"),
              "its service is icmp/echo-request, the packet is icmp/fragmentation-needed");
    EXPECT_EQ(why("service = \"tcp/22\"", FW_ROW_TRAITS, "arp"), "its service is tcp/22, the packet is arp");
    EXPECT_EQ(why("service = \"tcp/22\"", FW_ROW_TRAITS, "tcp 192.0.2.1 > 192.0.2.2 fragment later"),
              "its service is tcp/22, the packet is a later fragment of tcp");
    EXPECT_EQ(why("service = \"gre\"", FW_ROW_TRAITS, "esp 192.0.2.1 > 192.0.2.2"),
              "its service is gre, the packet is esp");
}

TEST(WhyNotTest, OfAFieldThatThePacketLacks) {
    EXPECT_EQ(why("ttl = 64", FW_ROW_TRAITS, "arp"), "its ttl is 64, the packet has none");
    EXPECT_EQ(
        why("service = \"tcp\"\nflags = \"syn\"", FW_ROW_TRAITS, "tcp 192.0.2.1 > 192.0.2.2 fragment later"),
        "its flags is syn, the packet has none");
}

TEST(WhyNotTest, OfTheAddresses) {
    const std::string packet = "tcp 192.0.2.1 > 192.0.2.2:80";
    EXPECT_EQ(why("from = \"10.0.0.0/8\"", FW_ROW_SOURCE, packet),
              "it is from 10.0.0.0/8, the packet from 192.0.2.1");
    EXPECT_EQ(why("to = \"!192.0.2.2\"", FW_ROW_DESTINATION, packet),
              "it is to !192.0.2.2, the packet to 192.0.2.2");
    EXPECT_EQ(why("from = \"10.0.0.0/8\"", FW_ROW_SOURCE, "arp"),
              "it is from 10.0.0.0/8, the packet from no address");
}

TEST(WhyNotTest, OfThePlace) {
    EXPECT_EQ(why("on = \"eth1\"\ndirection = \"out\"", FW_ROW_WHERE, "arp"),
              "it holds on eth1 out, the packet passes eth0 in");
    EXPECT_EQ(why("direction = \"in\"", FW_ROW_WHERE, "arp out"), "it holds in, the packet passes eth0 out");
}

TEST(WhyNotTest, OfTheConditions) {
    const std::string packet = "tcp 192.0.2.1 > 192.0.2.2:80 syn ack";
    EXPECT_EQ(why("service = \"tcp\"\nflags = \"syn+!ack\"", FW_ROW_CONDITIONS, packet),
              "its flags is syn+!ack, the packet has !fin+syn+!rst+!psh+ack+!urg+!ece+!cwr");
    EXPECT_EQ(why("vlan = 7", FW_ROW_CONDITIONS, packet), "its vlan is 7, the packet has none");
    policy::Rule over = rule_of("ttl = 64");
    over.expires = 5;
    policy::PacketView view = packet_of(packet);
    view.now = 6;
    EXPECT_EQ(why_not(over, FW_ROW_CONDITIONS, view), "its time is over");
}

TEST(WhyNotTest, OfSetsThatAreFilledLive) {
    const std::string packet = "tcp 192.0.2.1 > 192.0.2.2:80";
    EXPECT_EQ(why("from = \"@banned\"", FW_ROW_CONDITIONS, packet),
              "it is from @banned, the packet from 192.0.2.1");
    EXPECT_EQ(why("to = \"@banned\"", FW_ROW_CONDITIONS, packet),
              "it is to @banned, the packet to 192.0.2.2");
}

}  // namespace
}  // namespace fwctl::engine
