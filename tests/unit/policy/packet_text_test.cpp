#include "policy/packet_text.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "generate/packets.h"
#include "policy/prefix.h"

namespace fwctl::policy {
namespace {

PacketText parsed(const std::string& text) {
    auto read = parse_packet(text);
    if (!read) {
        ADD_FAILURE() << read.error().render();
        return {};
    }
    return *read;
}

// As it is shown, without the line that names the place of the text.
std::string mistakes(const std::string& text) {
    auto read = parse_packet(text);
    return read ? "no mistake" : read.error().render();
}

TEST(PacketTextTest, FillsInWhatIsLeftOut) {
    const PacketText tcp = parsed("tcp 198.51.100.7 > 203.0.113.10:443");
    EXPECT_EQ(tcp.place, PacketPlace{});
    EXPECT_EQ(tcp.packet.family, Family::kIpv4);
    EXPECT_EQ(tcp.packet.ethertype, 0x0800);
    EXPECT_EQ(tcp.packet.source, parse_prefix("198.51.100.7")->address);
    EXPECT_EQ(tcp.packet.destination, parse_prefix("203.0.113.10")->address);
    EXPECT_EQ(tcp.packet.protocol, 6);
    EXPECT_TRUE(tcp.packet.has_l4);
    EXPECT_EQ(tcp.packet.source_port, 40000);
    EXPECT_EQ(tcp.packet.selector, 443);
    EXPECT_EQ(tcp.packet.tcp_flags, 0x02);
    EXPECT_EQ(tcp.packet.ttl, 64);
    EXPECT_EQ(tcp.packet.length, 40U);
    EXPECT_EQ(tcp.packet.vlan, kNoVlan);
    EXPECT_EQ(tcp.packet.fragment, FragmentKind::kNone);
    EXPECT_EQ(tcp.packet.mac, std::nullopt);
    EXPECT_EQ(tcp.packet.direction, Direction::kIn);
}

TEST(PacketTextTest, ReadsEachClause) {
    const PacketText text = parsed(
        "TCP [2001:db8::1]:1 > [2001:db8::2]:https ack psh on wan out vlan 7 ttl 1 length 1500 "
        "dscp ef fragment first mac 52:54:00:12:34:56");
    EXPECT_EQ(text.place, (PacketPlace{"wan", Direction::kOut}));
    EXPECT_EQ(text.packet.direction, Direction::kOut);
    EXPECT_EQ(text.packet.family, Family::kIpv6);
    EXPECT_EQ(text.packet.source_port, 1);
    EXPECT_EQ(text.packet.selector, 443);
    EXPECT_EQ(text.packet.tcp_flags, 0x18);
    EXPECT_EQ(text.packet.vlan, 7);
    EXPECT_EQ(text.packet.ttl, 1);
    EXPECT_EQ(text.packet.length, 1500U);
    EXPECT_EQ(text.packet.dscp, 46);
    EXPECT_EQ(text.packet.fragment, FragmentKind::kFirst);
    EXPECT_EQ(text.packet.mac, 0x525400123456U);
}

TEST(PacketTextTest, PrintsTheOneForm) {
    const auto again = [](const std::string& text) { return format_packet(parsed(text)); };
    EXPECT_EQ(again(" tcp  192.0.2.1 >  192.0.2.2:22  in on eth0 "),
              "tcp 192.0.2.1:40000 > 192.0.2.2:22 syn on eth0");
    EXPECT_EQ(again("6 192.0.2.1:1 > 192.0.2.2:0 none"), "tcp 192.0.2.1:1 > 192.0.2.2:0 none");
    EXPECT_EQ(again("icmp/8 192.0.2.1 > 192.0.2.2 length 84"),
              "icmp/echo-request 192.0.2.1 > 192.0.2.2 length 84");
    EXPECT_EQ(again("icmp/3/4 192.0.2.1 > 192.0.2.2"), "icmp/fragmentation-needed 192.0.2.1 > 192.0.2.2");
    EXPECT_EQ(again("icmpv6/135 2001:db8::1 > [ff02::1]"),
              "icmp6/neighbor-solicitation 2001:db8::1 > ff02::1");
    EXPECT_EQ(again("icmp 192.0.2.1 > 192.0.2.2 fragment later"),
              "icmp 192.0.2.1 > 192.0.2.2 fragment later");
    EXPECT_EQ(again("proto/47 192.0.2.1 > 192.0.2.2 out"), "gre 192.0.2.1 > 192.0.2.2 out");
    EXPECT_EQ(again("58 192.0.2.1 > 192.0.2.2"), "58 192.0.2.1 > 192.0.2.2");
    EXPECT_EQ(again("0x0806 on eth0 vlan none"), "arp on eth0");
    EXPECT_EQ(again("0x88b5 length 100"), "0x88b5 length 100");
}

TEST(PacketTextTest, ReadsWhatItPrints) {
    generate::Random random(1);
    std::set<std::string> seen;
    for (int i = 0; i < 20000; ++i) {
        PacketText text{generate::random_packet(random), {}};
        if (text.packet.direction == Direction::kBoth) {
            text.packet.direction = Direction::kIn;
        }
        text.place.direction = text.packet.direction;
        text.packet.interfaces.clear();
        if (random.percent(50)) {
            text.place.interface = "eth0";
        }
        const std::string words = format_packet(text);
        const auto read = parse_packet(words);
        ASSERT_TRUE(read) << read.error().render();
        ASSERT_EQ(*read, text) << words << "\n" << format_packet(*read);
        seen.insert(words.substr(0, words.find_first_of(" /")));
    }
    EXPECT_GT(seen.size(), 8U);
}

TEST(PacketTextTest, AMistakeHasItsColumnAndACaret) {
    EXPECT_EQ(mistakes("tcp 198.51.100.700:1 > 203.0.113.10:443"),
              "packet:1:5: error: \"198.51.100.700\" is not an IPv4 or IPv6 address or prefix "
              "(192.0.2.1, 192.0.2.0/24, 2001:db8::/32)\n"
              "   1 | tcp 198.51.100.700:1 > 203.0.113.10:443\n"
              "     |     ^~~~~~~~~~~~~~~~\n");
    EXPECT_EQ(mistakes("tcp 192.0.2.1 > 192.0.2.2:22 synn on eth0"),
              "packet:1:30: error: unknown word \"synn\"\n"
              "   1 | tcp 192.0.2.1 > 192.0.2.2:22 synn on eth0\n"
              "     |                              ^~~~\n"
              "  hint: did you mean \"syn\"?\n");
    EXPECT_EQ(mistakes("tcp 192.0.2.1 > 192.0.2.2:22 on"),
              "packet:1:32: error: \"on\" without a value behind it\n"
              "   1 | tcp 192.0.2.1 > 192.0.2.2:22 on\n"
              "     |                                ^\n"
              "  hint: write for example: on eth0\n");
}

// The line that says what is wrong, of texts with one mistake.
std::string message(const std::string& text) {
    auto read = parse_packet(text);
    if (read) return "no mistake";
    EXPECT_EQ(read.error().all().size(), 1U) << read.error().render();
    return read.error().all().front().message;
}

TEST(PacketTextTest, SaysWhatIsWrong) {
    EXPECT_EQ(message(""), "a packet is missing");
    EXPECT_EQ(message("tpc 192.0.2.1 > 192.0.2.2:22"), "\"tpc\" is not a protocol");
    EXPECT_EQ(message("any 192.0.2.1 > 192.0.2.2"), "\"any\" is not a protocol");
    EXPECT_EQ(message("ip 192.0.2.1 > 192.0.2.2"), "ip is looked into: name the protocol that it carries");
    EXPECT_EQ(message("tcp/22 192.0.2.1 > 192.0.2.2"),
              "what stands behind \"tcp/\" belongs behind the addresses");
    EXPECT_EQ(message("tcp"), "the addresses are missing");
    EXPECT_EQ(message("tcp 192.0.2.1 192.0.2.2:22"), "the addresses are missing");
    EXPECT_EQ(message("tcp 192.0.2.1 >"), "the destination is missing");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2"), "the destination port is missing");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:65536"),
              "\"65536\" is not a port (0 to 65535, or a name from /etc/services)");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:nosuch"),
              "\"nosuch\" is not a port (0 to 65535, or a name from /etc/services)");
    EXPECT_EQ(message("tcp [2001:db8::1 > [2001:db8::2]:22"),
              "\"[2001:db8::1\" is not an address with a port");
    EXPECT_EQ(message("tcp 192.0.2.1 > [2001:db8::2]:22"),
              "source and destination are of different IP versions");
    EXPECT_EQ(message("tcp 192.0.2.0/24 > 192.0.2.2:22"), "192.0.2.0/24 is a block; name one address");
    EXPECT_EQ(message("gre 192.0.2.1 > 192.0.2.2:22"), "gre has no ports");
    EXPECT_EQ(message("udp 192.0.2.1 > 192.0.2.2:22 syn"), "udp has no TCP flags");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:22 fragment later"), "later fragments have no ports");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:22 fragment atomic"), "atomic fragments are of IPv6 alone");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:22 fragment any"),
              "\"any\" is more than one value; a packet has one fragment");
    EXPECT_EQ(message("icmp 192.0.2.1 > 192.0.2.2"),
              "which type? write for example icmp/echo-request or icmp6/128");
    EXPECT_EQ(message("icmp/8 2001:db8::1 > 2001:db8::2"), "icmp is of IPv4; over IPv6 it is icmp6");
    EXPECT_EQ(message("icmp6/128 192.0.2.1 > 192.0.2.2"), "icmp6 is of IPv6; over IPv4 it is icmp");
    EXPECT_EQ(message("icmp6/133-137 2001:db8::1 > 2001:db8::2"),
              "\"icmp6/133-137\" names several types; a packet has one");
    EXPECT_EQ(message("ah 2001:db8::1 > 2001:db8::2"),
              "ah is a header of IPv6 that is stepped over, not a protocol");
    EXPECT_EQ(message("arp 192.0.2.1 > 192.0.2.2"), "rules know no addresses of arp: leave them out");
    EXPECT_EQ(message("arp ttl 3"), "arp has no ttl");
    EXPECT_EQ(message("arp syn"), "arp has no TCP flags");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:22 ttl 256"),
              "\"256\" is not a value of ttl, which goes from 0 to 255");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:22 length 39"),
              "the headers of this packet are 40 bytes: it is no shorter");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:22 on eth*"), "\"eth*\" is a pattern; name one interface");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:22 in out"), "a packet comes in or goes out; explain each");
    EXPECT_EQ(message("tcp 192.0.2.1 > 192.0.2.2:22 in in"), "\"in\" is there twice");
}

TEST(PacketTextTest, ReadsAPlaceAlone) {
    EXPECT_EQ(*parse_packet_place(""), PacketPlace{});
    EXPECT_EQ(*parse_packet_place("on wan out"), (PacketPlace{"wan", Direction::kOut}));
    EXPECT_EQ(parse_packet_place("on wan ttl 3").error().all().front().message, "unknown word \"ttl\"");
}

}  // namespace
}  // namespace fwctl::policy
