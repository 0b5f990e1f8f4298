#include "policy/print.h"

#include <map>
#include <span>
#include <sstream>

#include <gtest/gtest.h>

#include "generate/small_world.h"
#include "policy/command.h"
#include "policy/parse.h"
#include "policy/rule.h"
#include "policy/schema.h"
#include "whole_policy.h"

namespace fwctl::policy {
namespace {

Rule deny(const std::vector<std::string>& words) {
    return parse_rule_words(Action::kDeny, words).value();
}

TEST(PrintPolicy, WithoutRulesIsItsVersion) {
    EXPECT_EQ(print_policy(Policy{}), "version = 1\n");
}

TEST(PrintPolicy, LeavesOutWhatIsAbsent) {
    EXPECT_EQ(print_policy(Policy{.rules = {deny({"any"}), deny({"icmp", "icmp6"})}}), R"(version = 1

[[rule]]
name = "deny-any"
action = "deny"

[[rule]]
name = "deny-icmp-icmp6"
action = "deny"
service = ["icmp", "icmp6"]
)");
}

TEST(PrintPolicy, WritesKeysInTheOrderOfTheSchema) {
    Rule rule =
        deny({"tcp/22", "on", "docker0", "in", "to", "192.0.2.1", "from", "10.0.0.0/8,2001:db8::/32"});
    rule.name = "ssh guessers";
    EXPECT_EQ(print_policy(Policy{.rules = {rule}}), R"(version = 1

[[rule]]
name = "ssh guessers"
action = "deny"
service = "tcp/22"
from = ["10.0.0.0/8", "2001:db8::/32"]
to = "192.0.2.1"
on = "docker0"
direction = "in"
)");
}

TEST(PrintPolicy, EscapesWhatTomlWouldTakeForItself) {
    const Policy policy{.rules = {deny({"icmp", "on", "a\"b\\c"})}};
    EXPECT_NE(print_policy(policy).find(R"(on = "a\"b\\c")"), std::string::npos);
    EXPECT_EQ(parse_policy(print_policy(policy), "f").value(), policy);
}

TEST(PrintPolicy, WritesControlCharactersByTheirNumbers) {
    const std::string text = R"(version = 1

[vip.dns]
address = "203.0.113.10"
service = "udp/53"
forward = "ipip"
health = { udp = "\u0000\"\\\u000a\u007f\u0085ü", answer = "\u001b" }
)";
    const Policy policy = parse_policy(text, "f").value();
    EXPECT_EQ(policy.vips[0].health.payload, std::string("\0\"\\\n\x7f\xc2\x85\xc3\xbc", 9));
    EXPECT_EQ(print_policy(policy), text);
}

TEST(PrintPolicy, IsReadBackToTheSamePolicy) {
    generate::SmallWorld random(2, generate::Vocabulary::kLive);
    for (int i = 0; i < 2000; ++i) {
        const Policy policy = random.policy();
        const std::string text = print_policy(policy);
        const ParseResult read = parse_policy(text, "printed.toml");
        ASSERT_TRUE(read.has_value()) << read.error().render();
        ASSERT_EQ(*read, policy) << text;
    }
}

// How often each key was printed, by "table key"; and each policy is read back.
void read_back(std::map<std::string, int>& printed) {
    WholePolicy random(3);
    for (int i = 0; i < 2500; ++i) {
        const Policy policy = random.policy();
        const std::string text = print_policy(policy);
        const ParseResult read = parse_policy(text, "printed.toml");
        ASSERT_TRUE(read.has_value()) << read.error().render() << text;
        ASSERT_EQ(*read, policy) << text;
        ASSERT_EQ(print_policy(*read), text);
        std::istringstream lines(text);
        std::string table;
        for (std::string line; std::getline(lines, line);) {
            if (line.substr(0, 1) == "[") {
                table = line.substr(0, line.find_first_of(".]"));
            } else {
                ++printed[table + " " + line.substr(0, line.find(' '))];
            }
            for (const Key<Vip>& key : health_keys()) {
                const std::string start = std::string(key.name) + " = ";
                const bool has_key =
                    line.find("{ " + start) < line.size() || line.find(", " + start) < line.size();
                printed["health " + std::string(key.name)] +=
                    line.starts_with("health = ") && has_key ? 1 : 0;
            }
        }
    }
}

template <typename Target>
void expect_all(const std::map<std::string, int>& printed, const std::string& table,
                std::span<const Key<Target>> keys) {
    for (const Key<Target>& key : keys) {
        const bool is_never_printed = key.name == "file" || key.name == "schedule";
        EXPECT_TRUE(is_never_printed || printed.count(table + " " + std::string(key.name)) > 0)
            << table << " " << key.name;
    }
}

TEST(PrintPolicy, IsReadBackWithEveryKeyOfTheSchema) {
    std::map<std::string, int> printed;
    read_back(printed);
    expect_all(printed, "[defaults", default_keys());
    expect_all(printed, "[conntrack", conntrack_keys());
    expect_all(printed, "[attach", attach_keys());
    expect_all(printed, "[set", set_keys());
    expect_all(printed, "[[rule", rule_keys());
    expect_all(printed, "[[route", route_keys());
    expect_all(printed, "[vip", vip_keys());
    for (const Key<Vip>& key : health_keys()) {
        EXPECT_GT(printed["health " + std::string(key.name)], 5) << key.name;
    }
    expect_all(printed, "[[vip", backend_keys());
    expect_all(printed, "[decapsulate", decapsulate_keys());
    expect_all(printed, "[[test", test_keys());
    EXPECT_GT(printed["[builtin arp"], 0);
}

TEST(PrintPolicy, WritesTheTablesInTheirOrder) {
    const std::string text = R"(version = 1

[defaults]
in = "deny"
lockout = { from = "@admins", service = ["tcp/22", "tcp/2222"] }
tunnel = "inner"
forward = "table"

[builtin]
dhcp-replies = false

[attach.lan]
device = "br-*"
mode = "generic"
hooks = ["xdp", "tc-out"]
isolate_peers = true

[attach."veth*"]

[set.admins]
elements = [
    "10.0.0.0/8",
    "192.0.2.0/24",
    "198.51.100.1",
    "203.0.113.1",
    "2001:db8::/32",
]

[set.banned]
dynamic = true
timeout = "1h30m"
size = 100

[set.nobody]
elements = []

[[route]]
prefix = "10.0.0.0/8"
via = "192.0.2.1"
interface = "eth1"

[[rule]]
name = "mirror"
comment = "for the \"probe\""
action = "redirect"
redirect = { to = "eth1", via = "192.0.2.1" }
service = "tcp/80"
from = ["@admins", "!10.0.0.0/24"]
sport = "1024-65535"
flags = ["syn+!ack", "none"]
direction = "in"

[[rule]]
name = "sampled"
action = "log"
sample = 100

[vip.dns]
address = ["198.51.100.0/28", "2001:db8:53::53"]
service = ["tcp/53", "udp/53"]
forward = "gue"
affinity = "source/24"
ring = 65537
transition = "1h"
new_entries = 5000
gue_port = 6081
enabled = false

[vip.web]
address = "203.0.113.10"
service = "tcp/443"
forward = "l2-dsr"
announce = "eth0"
health = { https = "/healthz", host = "www.example.org", every = "500ms", rise = 1 }
down = "reset"
panic = 50
slow_start = "30s"

[[vip.web.backend]]
name = "web1"
address = ["10.0.0.11", "2001:db8::11"]
weight = 2
state = "drain"

[[vip.web.backend]]
name = "web2"
address = "10.0.0.12"
fallback = true

[decapsulate]
from = ["192.0.2.1", "2001:db8:1::/64"]
gue_port = 6081

[[test]]
packet = "tcp 198.51.100.7:40000 > 203.0.113.1:22 syn on lan"
expect = "deny"
because = "default"
repeat = 20
)";
    const ParseResult read = parse_policy(text, "p.toml");
    ASSERT_TRUE(read.has_value()) << read.error().render();
    EXPECT_EQ(print_policy(*read), text);
}

TEST(Describe, IsTheSentenceThatMakesTheRule) {
    EXPECT_EQ(describe(deny({"any"})), "deny any");
    EXPECT_EQ(
        describe(deny({"icmp", "icmp6", "from", "10.0.0.0/8", "to", "192.0.2.1", "on", "docker0", "in"})),
        "deny icmp, icmp6 from 10.0.0.0/8 to 192.0.2.1 on docker0 in");
    EXPECT_EQ(describe(parse_rule_words(Action::kAllow, std::vector<std::string>{"tcp/22", "out"}).value()),
              "allow tcp/22 out");
}

TEST(Describe, SaysWhatAVipAndABackendAre) {
    const Policy policy = parse_policy(R"(version = 1
[vip.web]
address = ["203.0.113.10", "2001:db8:10::10"]
service = ["udp/443", "tcp/80"]
forward = "ipip"
health = { ping = true }
[[vip.web.backend]]
name = "web1"
address = ["2001:db8::11", "10.0.0.11"]
weight = 0
state = "maint"
fallback = true
[vip.old]
address = "203.0.113.11"
service = "sctp"
forward = "gue"
announce = "eth1"
enabled = false
)",
                                       "p.toml")
                              .value();
    ASSERT_EQ(policy.vips.size(), 2U);
    EXPECT_EQ(describe(policy.vips[0]),
              "sctp to 203.0.113.11 by gue over 0 backends, announced on eth1, disabled");
    EXPECT_EQ(describe(policy.vips[1]),
              "tcp/80, udp/443 to 203.0.113.10, 2001:db8:10::10 by ipip over 1 backend, checked by ping");
    EXPECT_EQ(describe(policy.vips[1].backends[0]), "10.0.0.11, 2001:db8::11 weight 0 maint fallback");
}

// The words of a description. A protocol's number gets its "proto/", which the command line asks for behind
// another service.
std::vector<std::string> words_of(const std::string& description) {
    std::vector<std::string> words;
    std::istringstream stream(description);
    bool is_service = true;
    for (std::string word; stream >> word;) {
        is_service = is_service && find_rule_key(word) == nullptr && word != "over";
        const bool is_number = word.find_first_not_of("0123456789,") == std::string::npos;
        words.push_back(is_service && is_number ? "proto/" + word : word);
    }
    return words;
}

TEST(Describe, IsUnderstoodByTheCommandLine) {
    WholePolicy random(9);
    for (int i = 0; i < 2000; ++i) {
        Rule rule = random.rule(i);
        rule.action = Action::kDeny;
        rule.reject_with = RejectWith::kAuto;
        rule.redirect.reset();
        rule.ban.reset();
        rule.sample = 1;
        if (rule.rate) rule.rate->over = true;
        std::vector<std::string> words = words_of(describe(rule));
        std::erase(words, "over");  // what `limit` means
        const std::span said = std::span(words).subspan(1);
        const auto read = rule.rate ? parse_limit_words(said) : parse_rule_words(rule.action, said);
        ASSERT_TRUE(read.has_value()) << describe(rule) << ": " << read.error().message;
        EXPECT_TRUE(same_match(*read, rule)) << describe(rule);
        EXPECT_EQ(read->rate, rule.rate) << describe(rule);
    }
}

}  // namespace
}  // namespace fwctl::policy
