#include "policy/command.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "policy/print.h"

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

Words split(const std::string& line) {
    Words words;
    for (std::size_t at = 0; at < line.size();) {
        const std::size_t blank = std::min(line.find(' ', at), line.size());
        words.push_back(line.substr(at, blank - at));
        at = blank + 1;
    }
    return words;
}

// What `fwctl deny …` understands, or its error.
std::string deny(const std::string& line) {
    const auto rule = parse_rule_words(Action::kDeny, split(line));
    if (!rule) {
        EXPECT_EQ(rule.error().exit, Exit::kUsage) << line;
        return rule.error().message;
    }
    return describe(*rule);
}

TEST(RuleWords, MakeARuleWithItsName) {
    const Rule rule = parse_rule_words(Action::kAllow, Words{"tcp/22", "from", "10.0.0.0/8"}).value();
    EXPECT_EQ(rule.name, "allow-tcp/22-from-10.0.0.0/8");
    EXPECT_EQ(rule.action, Action::kAllow);
    EXPECT_EQ(rule.origin, Origin::kLive);
    EXPECT_EQ(rule.expires, 0U);
}

TEST(RuleWords, AreReadInAnyOrderOfClauses) {
    EXPECT_EQ(deny("icmp"), "deny icmp");
    EXPECT_EQ(deny("icmp6 icmp"), "deny icmp, icmp6");
    EXPECT_EQ(deny("any"), "deny any");
    EXPECT_EQ(deny("icmp in"), "deny icmp in");
    EXPECT_EQ(deny("icmp in on eth0 from 10.0.0.0/8"), "deny icmp from 10.0.0.0/8 on eth0 in");
    EXPECT_EQ(deny("tcp/22 to 192.0.2.1 2001:db8::1 from 10.0.0.0/8 2001:db8::/32 on docker0 br-* out"),
              "deny tcp/22 from 10.0.0.0/8, 2001:db8::/32 to 192.0.2.1, 2001:db8::1 on br-*, docker0 out");
    EXPECT_EQ(deny("47"), "deny gre");
}

TEST(RuleWords, TakeCommasForBlanks) {
    EXPECT_EQ(deny("tcp/22,tcp/80 from 10.0.0.0/8,192.0.2.1"),
              "deny tcp/22, tcp/80 from 10.0.0.0/8, 192.0.2.1");
    EXPECT_EQ(deny("tcp/22, tcp/80 , udp/53,"), "deny tcp/22, tcp/80, udp/53");
}

TEST(RuleWords, TakeSetsNegationAndRanges) {
    EXPECT_EQ(deny("tcp/22 from @admins 10.0.0.0/8 !10.1.0.0/16 !@guests to 192.0.2.1-192.0.2.4"),
              "deny tcp/22 from 10.0.0.0/8, @admins, !10.1.0.0/16, !@guests to 192.0.2.2/31, 192.0.2.1, "
              "192.0.2.4");
    EXPECT_EQ(deny("any from !2001:db8::/32"), "deny any from !2001:db8::/32");
}

TEST(RuleWords, TakeEveryField) {
    EXPECT_EQ(deny("tcp sport 1024-65535 flags syn+!ack on eth0"),
              "deny tcp sport 1024-65535 flags syn+!ack on eth0");
    EXPECT_EQ(deny("any fragment later ttl 0-4,255 dscp ef length 1400-1500 in"),
              "deny any fragment later length 1400-1500 ttl 0-4, 255 dscp ef in");
    EXPECT_EQ(deny("any vlan none 7 mac 52:54:00:00:00:00/24 ethertype lldp"),
              "deny any vlan 7, none mac 52:54:00:00:00:00/24 ethertype lldp");
    EXPECT_EQ(deny("tcp sport"), "\"sport\" without a value behind it: write sport 22");
    EXPECT_EQ(deny("tcp sprot 22"), "unknown word \"sprot\"; did you mean \"sport\"?");
    EXPECT_EQ(deny("icmp sport 22"), "\"sport\" needs tcp, udp or sctp, which icmp is not");
}

TEST(RuleWords, TakeTheActionThatTheyAreGiven) {
    const Rule rule = parse_rule_words(Action::kReject, Words{"tcp/22"}).value();
    EXPECT_EQ(rule.action, Action::kReject);
    EXPECT_EQ(rule.name, "reject-tcp/22");
    EXPECT_EQ(describe(rule), "reject tcp/22");
}

TEST(RuleWords, NeedAService) {
    const std::string missing = "deny what? name a service such as icmp or tcp/22, or any for every packet";
    EXPECT_EQ(deny(""), missing);
    EXPECT_EQ(deny(","), missing);
    EXPECT_EQ(deny("from 10.0.0.0/8"), missing);
    EXPECT_EQ(deny("in"), missing);
}

TEST(RuleWords, RefuseAClauseWithoutItsList) {
    EXPECT_EQ(deny("icmp from"), "\"from\" without an address behind it: write from 192.0.2.0/24");
    EXPECT_EQ(deny("icmp from to 10.0.0.1"),
              "\"from\" without an address behind it: write from 192.0.2.0/24");
    EXPECT_EQ(deny("icmp to in"), "\"to\" without an address behind it: write to 192.0.2.0/24");
    EXPECT_EQ(deny("icmp on"), "\"on\" without an interface behind it: write on eth0");
}

TEST(RuleWords, RefuseAClauseTwice) {
    EXPECT_EQ(deny("icmp from 10.0.0.1 from 10.0.0.2"),
              "\"from\" is there twice; one \"from\" takes several of them");
    EXPECT_EQ(deny("icmp in in"), "\"in\" is there twice");
    EXPECT_EQ(deny("icmp in out"), "in and out contradict; leave both out for both");
    EXPECT_EQ(deny("icmp out on eth0 in"), "in and out contradict; leave both out for both");
}

TEST(RuleWords, SuggestTheWordThatWasMeant) {
    EXPECT_EQ(deny("icmp form 10.0.0.0/8"), "unknown word \"form\"; did you mean \"from\"?");
    EXPECT_EQ(deny("icmp from 10.0.0.0/8 too 192.0.2.1"), "unknown word \"too\"; did you mean \"to\"?");
    EXPECT_EQ(deny("icmp in form 10.0.0.0/8"), "unknown word \"form\"; did you mean \"from\"?");
    EXPECT_EQ(deny("icmpp"), "unknown service \"icmpp\"; did you mean \"icmp\"?");
    EXPECT_EQ(deny("icmp in eth0"), "\"eth0\" follows \"in\", which takes nothing behind it");
    EXPECT_EQ(deny("icmp docker0"),
              "unknown service \"docker0\"; a service is any, icmp, tcp/22, udp/1000-2000, or a protocol's "
              "name or number");
}

TEST(RuleWords, AskWhatANumberIs) {
    EXPECT_EQ(deny("tcp 22"), "is 22 a port, a type or a protocol? write tcp/22, icmp/22 or proto/22");
    EXPECT_EQ(deny("tcp/80,90"), "is 90 a port, a type or a protocol? write tcp/90, icmp/90 or proto/90");
    EXPECT_EQ(deny("tcp proto/47"), "deny tcp, gre");
}

TEST(RuleWords, KnowAnAddressInTheWrongPlace) {
    EXPECT_EQ(deny("10.0.0.0/8"), "\"10.0.0.0/8\" is an address: write from 10.0.0.0/8 or to 10.0.0.0/8");
    EXPECT_EQ(deny("icmp 2001:db8::1"),
              "\"2001:db8::1\" is an address: write from 2001:db8::1 or to 2001:db8::1");
    EXPECT_EQ(deny("icmp @admins"), "\"@admins\" is an address: write from @admins or to @admins");
}

TEST(RuleWords, PassOnWhatTheKeysRefuse) {
    EXPECT_EQ(deny("ssh"), "\"ssh\" is a service of tcp: write tcp/22");
    EXPECT_EQ(deny("any icmp"), "any already means every packet; leave out the other services");
    EXPECT_EQ(deny("icmp from @Admins"), "\"Admins\" is not a set's name: 1 to 63 of a-z 0-9 _ -");
    EXPECT_EQ(deny("icmp from any"), "\"from any\" says nothing: leave from out for any address");
    EXPECT_EQ(deny("icmp from 10.0.0.1/8"),
              "10.0.0.1/8 has host bits set; did you mean 10.0.0.0/8 or 10.0.0.1?");
    EXPECT_EQ(deny("icmp from 10.0.0.300"),
              "\"10.0.0.300\" is not an IPv4 or IPv6 address or prefix "
              "(192.0.2.1, 192.0.2.0/24, 2001:db8::/32)");
    EXPECT_EQ(deny("icmp on a/b"),
              "\"a/b\" is not an interface's name or pattern (eth0, veth*), of at most 15 letters");
    EXPECT_EQ(deny("icmp from 2001:db8::/32"),
              "the rule can never match: its services and addresses are of different IP versions");
}

// What `fwctl limit …` understands, or its error.
std::string limit(const std::string& line) {
    const auto rule = parse_limit_words(split(line));
    return rule ? rule->name + ": " + describe(*rule) : rule.error().message;
}

TEST(LimitWords, MakeARuleThatDeniesWhatIsOverTheRate) {
    EXPECT_EQ(limit("tcp/22 10/minute"), "limit-tcp/22: deny tcp/22 over 10/minute in");
    EXPECT_EQ(limit("tcp/22,tcp/80 5/second burst 20 per source from 10.0.0.0/8 on eth0"),
              "limit-tcp/22-tcp/80-from-10.0.0.0/8-on-eth0-per-source: "
              "deny tcp/22, tcp/80 over 5/second burst 20 per source from 10.0.0.0/8 on eth0 in");
    EXPECT_EQ(limit("any 1000000/second bytes per destination out"),
              "limit-any-per-destination-out: deny any over 1000000/second bytes per destination out");
    EXPECT_EQ(limit("udp 9/hour per source/24,48"),
              "limit-udp-per-source/24,48: deny udp over 9/hour per source/24,48 in");
    EXPECT_EQ(limit("udp from 10.0.0.1 9/hour per flow in"),
              "limit-udp-from-10.0.0.1-per-flow: deny udp over 9/hour per flow from 10.0.0.1 in");
}

TEST(LimitWords, SayWhatIsMissingOrWrong) {
    EXPECT_EQ(limit("10/minute"),
              "limit what? name a service such as icmp or tcp/22, or any for every packet");
    EXPECT_EQ(limit("tcp/22"),
              "limit to what? write a rate behind the services: fwctl limit tcp/22 10/minute per source");
    EXPECT_EQ(limit("tcp/22 10/second 5/second"), "\"5/second\" is a second rate; a limit takes one");
    EXPECT_EQ(
        limit("tcp/22 10/second tcp/80"),
        "\"tcp/80\" is no part of a rate; behind 10/second stand burst 20, packets or bytes, and per source");
    EXPECT_EQ(limit("tcp/22 10/second per sauce"),
              "\"sauce\" is not what a rate can be per; write source, destination, service or flow");
    EXPECT_EQ(limit("tcp/22 10/day"), "\"day\" is not the time of a rate; write second, minute or hour");
}

}  // namespace
}  // namespace fwctl::policy
