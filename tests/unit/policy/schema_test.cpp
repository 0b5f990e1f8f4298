#include "policy/schema.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "generate/small_world.h"
#include "policy/rule.h"

namespace fwctl::policy {
namespace {

TEST(Schema, HasItsKeysInTheOrderInWhichTheyAreWritten) {
    std::vector<std::string_view> names;
    for (const RuleKey& key : rule_keys()) {
        names.push_back(key.name);
        EXPECT_EQ(find_rule_key(key.name), &key);
        EXPECT_FALSE(key.accepts.empty()) << key.name;
        EXPECT_FALSE(key.meaning.empty()) << key.name;
    }
    EXPECT_EQ(names, (std::vector<std::string_view>{
                         "name", "comment", "action",    "reject", "redirect", "sample",    "ban", "service",
                         "from", "to",      "sport",     "flags",  "fragment", "length",    "ttl", "dscp",
                         "vlan", "mac",     "ethertype", "state",  "on",       "direction", "rate"}));
    EXPECT_EQ(find_rule_key("form"), nullptr);
}

TEST(Schema, WordsOfEveryKeyAreReadBack) {
    generate::SmallWorld random(7, generate::Vocabulary::kLive);
    for (int i = 0; i < 1000; ++i) {
        const Rule rule = random.rule(i);
        Rule read;
        for (const RuleKey& key : rule_keys()) {
            if (key.kind == ValueKind::kTable) {
                continue;
            }
            const auto words = key.words(rule);
            EXPECT_TRUE(key.kind == ValueKind::kWords || words.size() <= 1) << key.name;
            EXPECT_TRUE(!key.required || !words.empty()) << key.name;
            for (const std::string& word : words) {
                EXPECT_TRUE(key.add(read, word).has_value()) << key.name << " " << word;
            }
        }
        EXPECT_EQ(canonical(read), rule);
    }
}

TEST(Schema, ExamplesOfListsAreAccepted) {
    for (const RuleKey& key : rule_keys()) {
        if (key.kind != ValueKind::kWords) {
            continue;
        }
        for (std::string_view rest = key.accepts; !rest.empty();) {
            const std::size_t comma = std::min(rest.find(", "), rest.size());
            Rule rule;
            EXPECT_TRUE(key.add(rule, rest.substr(0, comma)).has_value()) << key.name << " " << rest;
            rest.remove_prefix(std::min(comma + 2, rest.size()));
        }
    }
}

std::string error_of(std::string_view key, std::string_view word) {
    Rule rule;
    const Status added = find_rule_key(key)->add(rule, word);
    return added ? "no error" : added.error().message;
}

TEST(Schema, RefusesWhatAKeyDoesNotTake) {
    EXPECT_EQ(error_of("name", ""),
              "\"\" is not a rule's name: 1 to 63 of A-Z a-z 0-9 . , _ / : @ - and blanks between them");
    EXPECT_EQ(error_of("action", "drop"),
              "\"drop\" is not an action; write allow, deny, reject, redirect, synproxy, count or log");
    EXPECT_EQ(error_of("service", "icmpp"), "unknown service \"icmpp\"; did you mean \"icmp\"?");
    EXPECT_EQ(error_of("from", "@Admins"), "\"Admins\" is not a set's name: 1 to 63 of a-z 0-9 _ -");
    EXPECT_EQ(error_of("to", "10.0.0.1/8"),
              "10.0.0.1/8 has host bits set; did you mean 10.0.0.0/8 or 10.0.0.1?");
    EXPECT_EQ(error_of("on", "a/b"),
              "\"a/b\" is not an interface's name or pattern (eth0, veth*), of at most 15 letters");
    EXPECT_EQ(error_of("direction", "both"),
              "\"both\" is not a direction; write in or out, or leave it out for both");
}

TEST(Schema, AnyStandsAlone) {
    const RuleKey* service = find_rule_key("service");
    for (const auto& [first, second] :
         {std::pair("any", "tcp"), std::pair("tcp", "any"), std::pair("any", "any")}) {
        Rule rule;
        EXPECT_TRUE(service->add(rule, first).has_value());
        const Status added = service->add(rule, second);
        ASSERT_FALSE(added.has_value());
        EXPECT_EQ(added.error().message, "any already means every packet; leave out the other services");
    }
}

}  // namespace
}  // namespace fwctl::policy
