#include "policy/service.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <vector>

namespace fwctl::policy {
namespace {

Service service(std::string_view text) {
    return parse_service(text).value();
}

std::string error_of(std::string_view text) {
    const auto parsed = parse_service(text);
    return parsed ? "no error" : parsed.error().message;
}

TEST(Service, AnyIsTheDefault) {
    EXPECT_EQ(service("any"), Service{});
}

TEST(Service, IcmpIsBoundToItsFamilyAndOthersAreNot) {
    EXPECT_TRUE(service("icmp").family_bound);
    EXPECT_EQ(service("icmp").family, Family::kIpv4);
    EXPECT_EQ(service("icmp").protocol, 1);
    EXPECT_TRUE(service("icmp6").family_bound);
    EXPECT_EQ(service("icmp6").family, Family::kIpv6);
    EXPECT_EQ(service("icmp6").protocol, 58);
    for (const char* text : {"tcp", "udp", "sctp", "gre", "1", "58", "47"}) {
        EXPECT_FALSE(service(text).family_bound) << text;
        EXPECT_FALSE(service(text).has_selector) << text;
    }
    EXPECT_NE(service("1"), service("icmp"));
    EXPECT_NE(service("58"), service("icmp6"));
}

TEST(Service, PortsAndTypesAreSelectors) {
    EXPECT_EQ(service("tcp/22").selector, (Range{22, 22}));
    EXPECT_EQ(service("udp/1000-2000").selector, (Range{1000, 2000}));
    EXPECT_EQ(service("icmp/8").selector, (Range{0x0800, 0x08ff}));
    EXPECT_EQ(service("icmp/3/4").selector, (Range{0x0304, 0x0304}));
    EXPECT_EQ(service("icmp6/133-137").selector, (Range{133 * 256, 137 * 256 + 255}));
    for (const char* text : {"tcp/22", "udp/1000-2000", "icmp/8", "icmp/3/4", "tcp/1-65535"}) {
        EXPECT_TRUE(service(text).has_selector) << text;
        EXPECT_EQ(service(text).source_port, Range{}) << text;
    }
}

TEST(Service, HasOneSpelling) {
    const std::pair<const char*, const char*> cases[] = {
        {"any", "any"},
        {"ANY", "any"},
        {"TCP/22", "tcp/22"},
        {"tcp/022", "tcp/22"},
        {"tcp/0", "tcp/0"},
        {"udp/0-65535", "udp/0-65535"},
        {"tcp/22-22", "tcp/22"},
        {"tcp/1-65535", "tcp/1-65535"},
        {"sctp/5060", "sctp/5060"},
        {"tcp/https", "tcp/443"},
        {"tcp/ftp-data", "tcp/20"},
        {"udp/domain", "udp/53"},
        {"6", "tcp"},
        {"17", "udp"},
        {"proto/132", "sctp"},
        {"1", "1"},
        {"58", "58"},
        {"proto/58", "58"},
        {"47", "gre"},
        {"proto/47", "gre"},
        {"4", "ipip"},
        {"41", "6in4"},
        {"0", "0"},
        {"255", "255"},
        {"ospf", "ospf"},
        {"icmpv6", "icmp6"},
        {"ipv6-icmp/128", "icmp6/echo-request"},
        {"icmp/8", "icmp/echo-request"},
        {"icmp/ping", "icmp/echo-request"},
        {"icmp/3/4", "icmp/fragmentation-needed"},
        {"icmp/fragmentation-needed", "icmp/fragmentation-needed"},
        {"icmp/destination-unreachable/4", "icmp/fragmentation-needed"},
        {"icmp/3/200", "icmp/3/200"},
        {"icmp/42", "icmp/42"},
        {"icmp/3-4", "icmp/3-4"},
        {"icmp/0-255", "icmp/0-255"},
        {"icmp6/135", "icmp6/neighbor-solicitation"},
        {"icmp6/neighbour-advertisement", "icmp6/neighbor-advertisement"},
        {"icmp6/2/0", "icmp6/2/0"},
    };
    for (const auto& [written, spelling] : cases) {
        EXPECT_EQ(format_service(service(written)), spelling) << written;
        EXPECT_EQ(service(spelling), service(written)) << written;
    }
}

TEST(Service, EveryProtocolNumberSurvivesWritingAndReading) {
    for (int number = 0; number <= 255; ++number) {
        const Service read = service(std::to_string(number));
        EXPECT_EQ(read.protocol, number);
        EXPECT_EQ(service(format_service(read)), read);
    }
}

TEST(Service, SuggestsWhatWasMeant) {
    EXPECT_EQ(error_of("icmpp"), "unknown service \"icmpp\"; did you mean \"icmp\"?");
    EXPECT_EQ(error_of("tpc/22"), "unknown service \"tpc/22\"; did you mean \"tcp/22\"?");
    EXPECT_EQ(error_of("ICMPP"), "unknown service \"ICMPP\"; did you mean \"icmp\"?");
    EXPECT_EQ(error_of("docker0"),
              "unknown service \"docker0\"; a service is any, icmp, tcp/22, udp/1000-2000, or a protocol's "
              "name or number");
    EXPECT_EQ(error_of(""),
              "unknown service \"\"; a service is any, icmp, tcp/22, udp/1000-2000, or a protocol's name or "
              "number");
    EXPECT_EQ(parse_service("icmpp").error().exit, Exit::kUsage);
}

TEST(Service, NamesOfPortsNeedTheirProtocol) {
    EXPECT_EQ(error_of("ssh"), "\"ssh\" is a service of tcp: write tcp/22");
    EXPECT_EQ(error_of("http"), "\"http\" is a service of tcp: write tcp/80");
    EXPECT_EQ(error_of("domain"), "\"domain\" is a service of tcp and udp: write tcp/53 or udp/53");
}

TEST(Service, RefusesPortsThatAreNone) {
    EXPECT_EQ(error_of("tcp/65536"), "\"65536\" in \"tcp/65536\" is not a port (0 to 65535)");
    EXPECT_EQ(error_of("udp/1-70000"), "\"70000\" in \"udp/1-70000\" is not a port (0 to 65535)");
    EXPECT_EQ(error_of("udp/2000-1000"),
              "the range in \"udp/2000-1000\" runs backwards; did you mean \"udp/1000-2000\"?");
    EXPECT_EQ(error_of("tcp/"), "\"tcp/\" ends without a port; tcp alone means every port");
    for (const std::string ports : {"no-such", "22-", "-22", "22/23", "22-23-24", " 22"}) {
        EXPECT_EQ(error_of("tcp/" + ports),
                  "\"" + ports + "\" in \"tcp/" + ports +
                      "\" is neither a port (0 to 65535) nor a service of tcp in /etc/services");
    }
}

TEST(Service, RefusesIcmpTypesThatAreNone) {
    EXPECT_EQ(error_of("icmp/"), "\"icmp/\" ends without a type; icmp alone means every type");
    EXPECT_EQ(error_of("ICMP/256"), "\"256\" in \"icmp/256\" is not an ICMP type (0 to 255)");
    EXPECT_EQ(error_of("icmpv6/source-quench"),
              "\"source-quench\" is a type of icmp: write icmp/source-quench");
}

TEST(Service, RefusesWhatOtherProtocolsDoNotHave) {
    EXPECT_EQ(error_of("gre/22"),
              "\"gre/22\": tcp, udp and sctp alone have ports here, icmp and icmp6 types");
    EXPECT_EQ(error_of("256"), "\"256\" is not a protocol number (0 to 255); a port is written tcp/22");
    EXPECT_EQ(error_of("proto/443"), "\"443\" is not a protocol number (0 to 255); a port is written tcp/22");
    EXPECT_EQ(error_of("proto/gre"), "\"gre\" is not a protocol number (0 to 255); a port is written tcp/22");
    EXPECT_EQ(error_of("proto/"), "\"\" is not a protocol number (0 to 255); a port is written tcp/22");
    EXPECT_EQ(error_of("any/22"),
              "\"any/22\": tcp, udp and sctp alone have ports here, icmp and icmp6 types");
    EXPECT_EQ(error_of("47/22"), "\"47/22\": tcp, udp and sctp alone have ports here, icmp and icmp6 types");
}

TEST(Service, WithASourcePortIsWrittenForPeople) {
    Service reply = parse_service("tcp").value();
    reply.has_selector = true;
    reply.source_port = {22, 22};
    EXPECT_EQ(format_service(reply), "tcp from port 22");
    reply.source_port.last = 30;
    EXPECT_EQ(format_service(reply), "tcp from port 22-30");
    reply.selector = {80, 80};
    EXPECT_EQ(format_service(reply), "tcp/80 from port 22-30");
}

TEST(Service, CoversWhatItMatches) {
    const auto covered = [](const char* outer, const char* inner) {
        return covers(service(outer), service(inner));
    };
    EXPECT_TRUE(covered("any", "tcp/22"));
    EXPECT_TRUE(covered("any", "any"));
    EXPECT_FALSE(covered("tcp", "any"));
    EXPECT_TRUE(covered("tcp", "tcp/22"));
    EXPECT_FALSE(covered("tcp/22", "tcp"));
    EXPECT_FALSE(covered("tcp/1-65535", "tcp"));  // later fragments have no ports
    EXPECT_TRUE(covered("tcp/20-30", "tcp/22-25"));
    EXPECT_FALSE(covered("tcp/20-30", "tcp/25-31"));
    EXPECT_FALSE(covered("tcp/22", "udp/22"));
    EXPECT_TRUE(covered("1", "icmp/8"));
    EXPECT_FALSE(covered("icmp", "1"));
    EXPECT_TRUE(covered("icmp", "icmp/8"));
    EXPECT_TRUE(covered("icmp/3", "icmp/3/4"));
    EXPECT_FALSE(covered("icmp/0-255", "icmp"));  // nor have they a type
    EXPECT_FALSE(covered("icmp", "icmp6"));
}

TEST(Services, AreReducedAsComparingAllPairsWould) {
    const char* pool[] = {"any",    "tcp",    "udp",       "icmp",      "icmp6",      "1",       "58",
                          "tcp/22", "tcp/80", "tcp/1-100", "tcp/50-90", "tcp/90-200", "udp/53",  "udp/50-60",
                          "icmp/8", "icmp/3", "icmp/3/4",  "icmp6/128", "icmp6/1-4",  "icmp6/2", "gre"};
    std::mt19937 random(5);
    for (int turn = 0; turn < 5000; ++turn) {
        std::vector<Service> services;
        for (auto left = random() % 8; left > 0; --left) {
            services.push_back(parse_service(pool[random() % std::size(pool)]).value());
        }
        std::vector<Service> expected;
        for (const Service& service : services) {
            const bool is_covered = std::any_of(services.begin(), services.end(), [&](const Service& other) {
                return other != service && covers(other, service);
            });
            if (!is_covered) {
                expected.push_back(service);
            }
        }
        std::sort(expected.begin(), expected.end());
        expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
        reduce(services);
        ASSERT_EQ(services, expected);
    }
}

TEST(Services, OfSomeProtocolsHavePorts) {
    for (const char* text : {"tcp", "udp/53", "sctp", "6"}) {
        EXPECT_TRUE(has_ports(parse_service(text).value())) << text;
    }
    for (const char* text : {"any", "icmp", "gre", "136"}) {
        EXPECT_FALSE(has_ports(parse_service(text).value())) << text;
    }
}

}  // namespace
}  // namespace fwctl::policy
