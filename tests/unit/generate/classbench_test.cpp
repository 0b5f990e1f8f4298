#include "generate/classbench.h"

#include <gtest/gtest.h>

#include "generate/policy.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::generate {
namespace {

using policy::Field;
using policy::Policy;
using policy::Rule;

Rule only(const char* text) {
    const auto policy = read_classbench({"rules", text});
    EXPECT_TRUE(policy) << policy.error().message;
    return policy && policy->rules.size() == 1 ? policy->rules[0] : Rule{};
}

TEST(ReadClassbench, ReadsALine) {
    const Rule rule =
        only("@192.0.2.0/24\t198.51.100.7/32\t1024 : 65535\t80 : 80\t0x06/0xFF\t0x0200/0x1200\t\n");
    EXPECT_EQ(rule.name, "line 1");
    EXPECT_EQ(rule.from.prefixes, std::vector{policy::parse_prefix("192.0.2.0/24").value()});
    EXPECT_EQ(rule.to.prefixes, std::vector{policy::parse_prefix("198.51.100.7").value()});
    EXPECT_EQ(rule.services, std::vector{policy::parse_service("tcp/80").value()});
    ASSERT_EQ(rule.fields.size(), 2U);
    EXPECT_EQ(rule.fields[0], (policy::FieldMatch{Field::kSourcePort, {{~0ULL, 1024, 65535}}}));
    EXPECT_EQ(rule.fields[1], (policy::FieldMatch{Field::kTcpFlags, {{0x12, 0x02, 0x02}}}));
}

TEST(ReadClassbench, ReadsWildcards) {
    const Rule rule = only("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x00/0x00");
    EXPECT_EQ(rule.services, std::vector{policy::Service{}});
    EXPECT_TRUE(rule.from.empty() && rule.to.empty() && rule.fields.empty());
}

TEST(ReadClassbench, ReadsTheTypeOfIcmp) {
    EXPECT_EQ(only("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x01/0xFF 0x0800/0xff00").services,
              std::vector{policy::parse_service("icmp/8").value()});
    EXPECT_EQ(only("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x01/0xFF 0x0000/0x0000").services,
              std::vector{policy::parse_service("icmp").value()});
    EXPECT_EQ(only("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x2f/0xFF 0x0000/0x0000").services,
              std::vector{policy::parse_service("gre").value()});
}

std::string error_of(const std::string& line) {
    const auto policy = read_classbench({"acl", "\n" + line + "\n"});
    if (policy) return "none";
    EXPECT_EQ(policy.error().exit, Exit::kUsage);
    return policy.error().message;
}

TEST(ReadClassbench, SaysWhereWhatHasToStand) {
    EXPECT_EQ(error_of("192.0.2.0/24"), "acl:2:1: \"@\" has to stand here, not \"192.0.2.0/24\"");
    EXPECT_EQ(error_of("@10.0.0.0/8"),
              "acl:2:12: an IPv4 prefix like 192.0.2.0/24 has to stand here, not the end of the line");
    EXPECT_EQ(error_of("@2001:db8::/32 0.0.0.0/0 0 : 65535 0 : 65535 0x06/0xFF"),
              "acl:2:2: \"2001:db8::/32\" is not an IPv4 prefix");
    EXPECT_EQ(error_of("@10.0.0.0/8 0.0.0.0/0 0 : 65536 0 : 65535 0x06/0xFF"),
              "acl:2:27: a port from 0 to 65535 has to stand here, not \"65536\"");
    EXPECT_EQ(error_of("@10.0.0.0/8 0.0.0.0/0 0 - 65535 0 : 65535 0x06/0xFF"),
              "acl:2:25: \":\" has to stand here, not \"-\"");
    EXPECT_EQ(error_of("@10.0.0.0/8 0.0.0.0/0 0 : 65535 0 : 65535 tcp/0xFF"),
              "acl:2:43: a protocol from 0x0 to 0xff has to stand here, not \"tcp/0xFF\"");
    EXPECT_EQ(error_of("@10.0.0.0/8 0.0.0.0/0 0 : 65535 0 : 65535 0x06/0xFF 0x0200/0x1200 7"),
              "acl:2:67: the line is longer than it may be");
}

TEST(ReadClassbench, SaysWhatContradictsItself) {
    EXPECT_EQ(error_of("@0.0.0.0/0 0.0.0.0/0 9 : 8 0 : 65535 0x06/0xFF"),
              "acl:2:22: the range of ports ends before it begins");
    EXPECT_EQ(error_of("@0.0.0.0/0 0.0.0.0/0 0 : 65535 80 : 80 0x01/0xFF"),
              "acl:2:22: ports of a protocol that has none");
    EXPECT_EQ(error_of("@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0x06/0xF0"),
              "acl:2:42: the protocol's mask is neither 0xFF nor 0x00");
}

TEST(ReadClassbench, ShowsNoControlCharacters) {
    EXPECT_EQ(error_of("\x1b[2J"), "acl:2:1: \"@\" has to stand here, not \"?[2J\"");
}

TEST(ReadTrace, ReadsAllThreeForms) {
    const auto trace = read_trace({"trace",
                                   "3221226035 3325256711 40000 80 6\n\n"
                                   "3221226035\t3325256711\t40000\t80\t6\t12\t\r\n"
                                   "3221226035 3325256711 40000 80 6 33559040 12"});
    ASSERT_TRUE(trace) << trace.error().message;
    ASSERT_EQ(trace->size(), 3U);
    for (const TracePacket& packet : *trace) {
        EXPECT_EQ(packet.source, 0xc0000233U);
        EXPECT_EQ(packet.destination, 0xc6336407U);
        EXPECT_EQ(packet.source_port, 40000);
        EXPECT_EQ(packet.port, 80);
        EXPECT_EQ(packet.protocol, 6);
    }
    EXPECT_FALSE(trace->at(0).flags);
    EXPECT_FALSE(trace->at(1).flags);
    EXPECT_EQ(trace->at(2).flags, 0x02);
}

TEST(ReadTrace, SaysWhereWhatHasToStand) {
    const auto error_of = [](const char* line) {
        const auto trace = read_trace({"trace", line});
        return trace ? "none" : trace.error().message;
    };
    EXPECT_EQ(error_of("1 2 3 4 5\n4294967296 2 3 4 5\n"),
              "trace:2:1: an address from 0 to 4294967295 has to stand here, not \"4294967296\"");
    EXPECT_EQ(error_of("192.0.2.1 2 3 4 5"),
              "trace:1:1: an address from 0 to 4294967295 has to stand here, not \"192.0.2.1\"");
    EXPECT_EQ(error_of("1 2 3 4"),
              "trace:1:8: a protocol from 0 to 255 has to stand here, not the end of the line");
    EXPECT_EQ(error_of("1 2 3 4 5 6 7 8"), "trace:1:15: the line is longer than it may be");
}

// Rules that the format has words for.
Policy sample(Mix mix) {
    Policy policy = generate_policy(mix, 1000, 1, Detail::kFiveTuple);
    std::erase_if(policy.rules, [](const Rule& rule) { return !write_classbench({.rules = {rule}}); });
    return policy;
}

TEST(WriteClassbench, IsReadBack) {
    for (const Mix mix : {Mix::kAcl, Mix::kFirewall, Mix::kWildcard}) {
        const Policy policy = sample(mix);
        EXPECT_GT(policy.rules.size(), 500U);
        const auto text = write_classbench(policy);
        ASSERT_TRUE(text) << text.error().message;
        const auto read = read_classbench({"rules", *text});
        ASSERT_TRUE(read) << read.error().message;
        ASSERT_EQ(read->rules.size(), policy.rules.size());
        for (std::size_t i = 0; i < policy.rules.size(); ++i) {
            EXPECT_TRUE(policy::same_match(read->rules[i], policy.rules[i]));
            EXPECT_EQ(read->rules[i].fields, policy.rules[i].fields);
            EXPECT_EQ(read->rules[i].name, "line " + std::to_string(i + 1));
        }
    }
}

TEST(WriteClassbench, RefusesWhatTheFormatHasNoWordsFor) {
    Rule rule;
    rule.name = "six";
    rule.services = {policy::Service{}};
    rule.from.prefixes = {policy::parse_prefix("2001:db8::/32").value()};
    EXPECT_EQ(write_classbench({.rules = {rule}}).error().message, "\"six\" says more than the format can");
}

}  // namespace
}  // namespace fwctl::generate
