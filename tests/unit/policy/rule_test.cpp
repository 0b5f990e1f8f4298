#include "policy/rule.h"

#include <gtest/gtest.h>

#include "generate/small_world.h"
#include "policy/builtin.h"
#include "policy/schema.h"

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

struct Written {
    Words service = {};
    Words from = {};
    Words to = {};
    Words on = {};
    Direction direction = Direction::kBoth;
    Action action = Action::kDeny;
};

Rule rule(const Written& written) {
    Rule rule;
    rule.action = written.action;
    rule.direction = written.direction;
    const auto add = [&rule](const char* key, const Words& words) {
        for (const std::string& word : words) {
            const Status added = find_rule_key(key)->add(rule, word);
            EXPECT_TRUE(added.has_value()) << word;
        }
    };
    add("service", written.service);
    add("from", written.from);
    add("to", written.to);
    add("on", written.on);
    return rule;
}

Rule canonical_rule(const Written& written) {
    return canonical(rule(written));
}

Words words(const Rule& rule, std::string_view key) {
    return find_rule_key(key)->words(rule);
}

TEST(Canonical, SortsAndDropsWhatIsCovered) {
    const Rule reduced =
        canonical_rule({.service = {"icmp6", "tcp/22", "icmp/8", "tcp/20-30", "icmp"},
                        .from = {"192.0.2.1", "10.1.0.0/16", "10.0.0.0/8", "192.0.2.1"},
                        .to = {"2001:db8:1::/48", "2001:db8::/32", "0.0.0.0/0", "10.0.0.0/8"},
                        .on = {"eth1", "docker0", "eth*", "eth1"}});
    EXPECT_EQ(words(reduced, "service"), (Words{"icmp", "tcp/20-30", "icmp6"}));
    EXPECT_EQ(words(reduced, "from"), (Words{"10.0.0.0/8", "192.0.2.1"}));
    EXPECT_EQ(words(reduced, "to"), (Words{"0.0.0.0/0", "2001:db8::/32"}));
    EXPECT_EQ(words(reduced, "on"), (Words{"docker0", "eth*"}));
}

TEST(Canonical, HasOneFormForEverything) {
    EXPECT_EQ(canonical(Rule{}).services, std::vector<Service>{Service{}});
    EXPECT_TRUE(canonical_rule({.on = {"*", "eth0"}}).on.empty());
}

TEST(Canonical, ChangesNoVerdict) {
    generate::SmallWorld random(11, generate::Vocabulary::kLive);
    for (int i = 0; i < 2000; ++i) {
        const Rule raw = random.raw_rule();
        const Rule reduced = canonical(raw);
        EXPECT_EQ(canonical(reduced), reduced);
        for (int j = 0; j < 50; ++j) {
            const PacketView packet = random.packet();
            ASSERT_EQ(matches(raw, packet), matches(reduced, packet));
        }
    }
}

TEST(CheckRule, RefusesVersionsOfIpThatNeverMeet) {
    const auto possible = [](const Written& written) {
        return check_rule(canonical_rule(written)).has_value();
    };
    EXPECT_TRUE(possible({.service = {"icmp", "icmp6"}, .from = {"10.0.0.0/8"}}));
    EXPECT_TRUE(possible({.from = {"10.0.0.0/8", "2001:db8::/32"}, .to = {"2001:db8::/32"}}));
    EXPECT_TRUE(possible({.service = {"58"}, .from = {"10.0.0.0/8"}}));
    EXPECT_FALSE(possible({.service = {"icmp6"}, .from = {"10.0.0.0/8"}}));
    EXPECT_FALSE(possible({.service = {"icmp"}, .to = {"2001:db8::/32"}}));
    EXPECT_FALSE(possible({.from = {"10.0.0.0/8"}, .to = {"2001:db8::/32"}}));
    EXPECT_EQ(check_rule(canonical_rule({.service = {"icmp"}, .to = {"::/0"}})).error().message,
              "the rule can never match: its services and addresses are of different IP versions");
}

TEST(CheckName, KnowsLettersAndLength) {
    for (const std::string& name :
         {std::string("a"), std::string("ssh guessers"), std::string("allow-tcp/22-from-2001:db8::/32"),
          std::string("a.b_c@d"), std::string(63, 'x')}) {
        EXPECT_TRUE(check_name(name).has_value()) << name;
    }
    for (const std::string& name :
         {std::string(), std::string(" a"), std::string("a "), std::string(" "), std::string("a\tb"),
          std::string("a\"b"), std::string("ä"), std::string("veth*"), std::string(64, 'x')}) {
        EXPECT_EQ(
            check_name(name).error().message,
            "\"" + name +
                "\" is not a rule's name: 1 to 63 of A-Z a-z 0-9 . , _ / : @ - and blanks between them");
    }
}

TEST(DefaultName, SaysWhatTheRuleSays) {
    EXPECT_EQ(default_name(canonical_rule({.service = {"icmp"}})), "deny-icmp");
    EXPECT_EQ(default_name(canonical_rule({.service = {"icmp6", "icmp"}})), "deny-icmp-icmp6");
    EXPECT_EQ(default_name(canonical_rule({})), "deny-any");
    EXPECT_EQ(default_name(
                  canonical_rule({.service = {"tcp/22"}, .from = {"10.0.0.0/8"}, .action = Action::kAllow})),
              "allow-tcp/22-from-10.0.0.0/8");
    EXPECT_EQ(default_name(canonical_rule({.service = {"udp/53"},
                                           .from = {"10.0.0.0/8", "192.0.2.1"},
                                           .to = {"::/0", "0.0.0.0/0"},
                                           .on = {"eth0"},
                                           .direction = Direction::kOut})),
              "deny-udp/53-from-10.0.0.0/8-192.0.2.1-to-0.0.0.0/0-::/-286db2b9");
}

TEST(DefaultName, IsAlwaysAName) {
    generate::SmallWorld random(5, generate::Vocabulary::kLive);
    for (int i = 0; i < 2000; ++i) {
        const std::string name = default_name(random.rule(i));
        EXPECT_TRUE(check_name(name).has_value()) << name;
    }
}

TEST(DefaultName, TellsPatternsApart) {
    const std::string one = default_name(canonical_rule({.service = {"icmp"}, .on = {"veth*"}}));
    const std::string other = default_name(canonical_rule({.service = {"icmp"}, .on = {"veth?"}}));
    EXPECT_TRUE(check_name(one).has_value()) << one;
    EXPECT_NE(one, other);
    EXPECT_NE(one, default_name(canonical_rule({.service = {"icmp"}, .on = {"veth"}})));
}

TEST(Interface, HasANameThatTheKernelTakes) {
    for (const char* name :
         {"eth0", "br-0123456789ab", "veth*", "*", "wg?", "eth0.100", "veth[1]", "abcdefghijklmno"}) {
        EXPECT_TRUE(check_interface(name).has_value()) << name;
    }
    for (const std::string name : {"", ".", "..", "a/b", "a b", "eth0:1", "abcdefghijklmnop", "\x01", "ä"}) {
        EXPECT_EQ(
            check_interface(name).error().message,
            "\"" + name + "\" is not an interface's name or pattern (eth0, veth*), of at most 15 letters");
    }
}

TEST(Interface, MatchesItsPattern) {
    const auto match = interface_matches;
    EXPECT_TRUE(match("eth0", "eth0"));
    EXPECT_FALSE(match("eth0", "eth01"));
    EXPECT_FALSE(match("eth01", "eth0"));
    EXPECT_TRUE(match("eth*", "eth"));
    EXPECT_TRUE(match("eth*", "eth10"));
    EXPECT_FALSE(match("eth*", "veth1"));
    EXPECT_TRUE(match("*", ""));
    EXPECT_TRUE(match("*0", "docker00"));
    EXPECT_TRUE(match("*a*b*", "xxaaxbb"));
    EXPECT_FALSE(match("*a*b*", "bbxa"));
    EXPECT_TRUE(match("eth?", "eth0"));
    EXPECT_FALSE(match("eth?", "eth"));
    EXPECT_FALSE(match("eth?", "eth00"));
    EXPECT_TRUE(match("?*", "a"));
    EXPECT_FALSE(match("?*", ""));
    EXPECT_TRUE(match("veth[1]", "veth[1]"));
    EXPECT_FALSE(match("veth[1]", "veth1"));
}

TEST(SameMatch, LooksAtNothingButTheMatch) {
    const Rule one = canonical_rule({.service = {"icmp"}, .from = {"10.0.0.0/8"}});
    Rule other = one;
    other.name = "other";
    other.action = Action::kAllow;
    other.expires = 7;
    other.origin = Origin::kBuiltin;
    EXPECT_TRUE(same_match(one, other));
    EXPECT_FALSE(same_match(one, canonical_rule({.service = {"icmp"}})));
    EXPECT_FALSE(same_match(one, canonical_rule({.service = {"icmp6"}, .from = {"10.0.0.0/8"}})));
    EXPECT_FALSE(same_match(
        one, canonical_rule({.service = {"icmp"}, .from = {"10.0.0.0/8"}, .direction = Direction::kIn})));
    EXPECT_FALSE(
        same_match(one, canonical_rule({.service = {"icmp"}, .from = {"10.0.0.0/8"}, .on = {"eth0"}})));
    EXPECT_FALSE(same_match(one, canonical_rule({.service = {"icmp"}, .to = {"10.0.0.0/8"}})));
}

TEST(Covers, ComparesEveryPart) {
    const Rule everything = canonical_rule({});
    const Rule ssh = canonical_rule({.service = {"tcp/22"}});
    EXPECT_TRUE(covers(everything, ssh));
    EXPECT_FALSE(covers(ssh, everything));
    EXPECT_TRUE(covers(ssh, canonical_rule({.service = {"tcp/22"}, .from = {"10.0.0.0/8"}, .on = {"eth0"}})));
    EXPECT_FALSE(
        covers(canonical_rule({.from = {"0.0.0.0/0", "::/0"}}), everything));  // a frame may be no IP
    EXPECT_TRUE(covers(canonical_rule({.on = {"eth*"}}), canonical_rule({.on = {"eth0", "eth1"}})));
    EXPECT_FALSE(covers(canonical_rule({.on = {"eth?"}}), canonical_rule({.on = {"eth*"}})));
    EXPECT_TRUE(covers(everything, canonical_rule({.direction = Direction::kIn})));
    EXPECT_FALSE(covers(canonical_rule({.direction = Direction::kIn}), everything));
}

TEST(Covers, ComparesFields) {
    const auto with = [](std::string_view key, const Words& words) {
        Rule rule;
        for (const std::string& word : words) {
            EXPECT_TRUE(find_rule_key(key)->add(rule, word).has_value());
        }
        return canonical(std::move(rule));
    };
    EXPECT_TRUE(covers(canonical_rule({}), with("ttl", {"1"})));
    EXPECT_FALSE(covers(with("ttl", {"0-255"}), canonical_rule({})));
    EXPECT_TRUE(covers(with("ttl", {"0-9", "64"}), with("ttl", {"3-4", "64"})));
    EXPECT_FALSE(covers(with("ttl", {"0-9"}), with("ttl", {"3-14"})));
    EXPECT_FALSE(covers(with("ttl", {"0-9"}), with("dscp", {"0-9"})));
    EXPECT_TRUE(covers(with("flags", {"syn"}), with("flags", {"syn+ack", "syn+!ack"})));
    EXPECT_FALSE(covers(with("flags", {"syn+ack"}), with("flags", {"syn"})));
    EXPECT_FALSE(same_match(with("ttl", {"1"}), canonical_rule({})));
}

TEST(Canonical, SortsFieldsAndJoinsTheirValues) {
    Rule rule;
    for (const auto& [key, word] : {std::pair("vlan", "none"), std::pair("ttl", "2"), std::pair("sport", "5"),
                                    std::pair("ttl", "1"), std::pair("ttl", "7")}) {
        EXPECT_TRUE(find_rule_key(key)->add(rule, word).has_value());
    }
    rule = canonical(rule);
    ASSERT_EQ(rule.fields.size(), 3U);
    EXPECT_EQ(rule.fields[0].field, Field::kSourcePort);
    EXPECT_EQ(rule.fields[1].field, Field::kTtl);
    EXPECT_EQ(words(rule, "ttl"), (Words{"1-2", "7"}));
    EXPECT_EQ(default_name(rule), "deny-any-sport-5-ttl-1-2-7-vlan-none");
}

TEST(Canonical, ARedirectIsForIngress) {
    Rule rule = canonical_rule({.action = Action::kRedirect});
    EXPECT_EQ(rule.direction, Direction::kIn);
    EXPECT_EQ(canonical_rule({.action = Action::kSynproxy}).direction, Direction::kIn);
    EXPECT_EQ(canonical_rule({.action = Action::kLog}).direction, Direction::kBoth);
}

TEST(Covers, NeedsToLastAsLong) {
    const auto until = [](std::uint64_t expires) {
        Rule rule = canonical_rule({.service = {"icmp"}});
        rule.expires = expires;
        return rule;
    };
    EXPECT_TRUE(covers(until(0), until(5)));
    EXPECT_TRUE(covers(until(5), until(5)));
    EXPECT_TRUE(covers(until(6), until(5)));
    EXPECT_FALSE(covers(until(5), until(6)));
    EXPECT_FALSE(covers(until(5), until(0)));
}

TEST(Covers, LeavesTheParsersRulesAlone) {
    const Rule malformed = builtin_rules().front();
    const Rule icmp = canonical_rule({.service = {"icmp"}});
    EXPECT_FALSE(covers(malformed, icmp));
    EXPECT_FALSE(covers(canonical_rule({}), malformed));
}

TEST(Covers, IsNeverTrueWrongly) {
    generate::SmallWorld random(3, generate::Vocabulary::kLive);
    int covered = 0;
    int met = 0;
    for (int i = 0; i < 40000; ++i) {
        Rule outer = random.rule(0);
        Rule inner = random.rule(1);
        outer.expires = random.chance(4) ? random.below(4) : 0;
        inner.expires = random.chance(4) ? random.below(4) : 0;
        if (!covers(outer, inner)) {
            continue;
        }
        ++covered;
        for (int j = 0; j < 100; ++j) {
            const PacketView packet = random.packet();
            if (matches(inner, packet)) {
                ++met;
                ASSERT_TRUE(matches(outer, packet));
            }
        }
    }
    EXPECT_GT(covered, 500);
    EXPECT_GT(met, 5000);
}

}  // namespace
}  // namespace fwctl::policy
