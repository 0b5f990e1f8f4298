#include "policy/print.h"

#include <span>
#include <sstream>

#include <gtest/gtest.h>

#include "generate/small_world.h"
#include "policy/command.h"
#include "policy/parse.h"
#include "policy/rule.h"

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

TEST(Describe, IsTheSentenceThatMakesTheRule) {
    EXPECT_EQ(describe(deny({"any"})), "deny any");
    EXPECT_EQ(
        describe(deny({"icmp", "icmp6", "from", "10.0.0.0/8", "to", "192.0.2.1", "on", "docker0", "in"})),
        "deny icmp, icmp6 from 10.0.0.0/8 to 192.0.2.1 on docker0 in");
    EXPECT_EQ(describe(parse_rule_words(Action::kAllow, std::vector<std::string>{"tcp/22", "out"}).value()),
              "allow tcp/22 out");
}

// The words of a description. A number alone gets its "proto/", which the command line asks for behind
// another service.
std::vector<std::string> words_of(const std::string& description) {
    std::vector<std::string> words;
    std::istringstream stream(description);
    for (std::string word; stream >> word;) {
        const bool is_number = word.find_first_not_of("0123456789,") == std::string::npos;
        words.push_back(is_number ? "proto/" + word : word);
    }
    return words;
}

TEST(Describe, IsUnderstoodByTheCommandLine) {
    generate::SmallWorld random(9, generate::Vocabulary::kLive);
    for (int i = 0; i < 1000; ++i) {
        const Rule rule = random.rule(i);
        const std::vector<std::string> words = words_of(describe(rule));
        const auto read = parse_rule_words(rule.action, std::span(words).subspan(1));
        ASSERT_TRUE(read.has_value()) << describe(rule) << ": " << read.error().message;
        EXPECT_TRUE(same_match(*read, rule)) << describe(rule);
    }
}

}  // namespace
}  // namespace fwctl::policy
