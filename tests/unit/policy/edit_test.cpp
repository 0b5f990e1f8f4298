#include "policy/edit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "generate/small_world.h"
#include "policy/builtin.h"
#include "policy/command.h"
#include "policy/rule.h"

namespace fwctl::policy {
namespace {

using Words = std::vector<std::string>;

// "deny tcp/22 from 10.0.0.0/8", as on the command line.
Rule rule(const std::string& text, std::uint64_t expires = 0) {
    std::istringstream stream(text);
    Words words;
    for (std::string word; stream >> word;) words.push_back(word);
    const Action action = words.front() == "allow" ? Action::kAllow : Action::kDeny;
    words.erase(words.begin());
    Rule rule = parse_rule_words(action, words).value();
    rule.expires = expires;
    return rule;
}

Words names(const std::vector<Rule>& rules) {
    Words names;
    for (const Rule& rule : rules) names.push_back(rule.name);
    return names;
}

struct List {
    std::vector<Rule> rules;

    // Adds at the end, where that must succeed.
    RuleOutcome add(const std::string& text, std::uint64_t expires = 0) {
        return add_rule(rules, rule(text, expires), std::nullopt).value();
    }
    RuleOutcome add_before(const std::string& text, const std::string& before, std::uint64_t expires = 0) {
        return add_rule(rules, rule(text, expires), before).value();
    }
};

List list_of(const Words& texts) {
    List list;
    for (const std::string& text : texts) list.add(text);
    return list;
}

constexpr const char* kIcmpNote = "icmp is IPv4's: ICMPv6 is not covered; for both: fwctl deny icmp icmp6";
constexpr const char* kIcmp6Note =
    "neighbor discovery and the ICMPv6 that IPv6 cannot do without stay allowed by built-in rules";

TEST(AddRule, GoesToTheEnd) {
    List list;
    EXPECT_EQ(list.add("deny tcp/22").place, 0U);
    const RuleOutcome second = list.add("allow tcp/80");
    EXPECT_EQ(second.change, RuleChange::kAdded);
    EXPECT_EQ(second.place, 1U);
    EXPECT_EQ(second.replaced_name, "");
    EXPECT_EQ(second.notes, Words{});
    EXPECT_EQ(names(list.rules), (Words{"deny-tcp/22", "allow-tcp/80"}));
}

TEST(AddRule, GoesInFrontOfTheRuleThatIsNamed) {
    List list = list_of({"deny tcp", "deny udp"});
    const RuleOutcome first = list.add_before("allow tcp/22", "deny-tcp");
    EXPECT_EQ(first.change, RuleChange::kAdded);
    EXPECT_EQ(first.place, 0U);
    EXPECT_EQ(list.add_before("allow udp/53", "deny-udp").place, 2U);
    EXPECT_EQ(names(list.rules), (Words{"allow-tcp/22", "deny-tcp", "allow-udp/53", "deny-udp"}));
}

TEST(AddRule, MakesItCanonicalAndNamesIt) {
    std::vector<Rule> rules;
    Rule raw;
    raw.services = {rule("deny tcp/22").services.front(), rule("deny tcp").services.front()};
    ASSERT_TRUE(add_rule(rules, raw, std::nullopt));
    EXPECT_EQ(names(rules), Words{"deny-tcp"});
    EXPECT_EQ(rules.front(), canonical(rules.front()));
}

TEST(AddRule, DoesNothingWhenItIsSoAlready) {
    List list = list_of({"deny tcp", "deny udp"});
    const std::vector<Rule> before = list.rules;
    const RuleOutcome outcome = list.add("deny tcp");
    EXPECT_EQ(outcome.change, RuleChange::kUnchanged);
    EXPECT_EQ(outcome.place, 0U);
    EXPECT_EQ(list.rules, before);
    EXPECT_EQ(list.add("deny tcp/22 tcp").change, RuleChange::kUnchanged);  // the same in other words
    EXPECT_EQ(list.add_before("deny tcp", "deny-tcp").change, RuleChange::kUnchanged);
    EXPECT_EQ(list.add_before("deny tcp", "deny-udp").change, RuleChange::kUnchanged);  // where it stands
    EXPECT_EQ(list.rules, before);
}

TEST(AddRule, TakesThePlaceOfTheOtherAction) {
    List list = list_of({"deny tcp", "deny icmp", "deny udp"});
    const RuleOutcome outcome = list.add("allow icmp");
    EXPECT_EQ(outcome.change, RuleChange::kReplaced);
    EXPECT_EQ(outcome.place, 1U);
    EXPECT_EQ(outcome.replaced_name, "deny-icmp");
    EXPECT_EQ(names(list.rules), (Words{"deny-tcp", "allow-icmp", "deny-udp"}));
    EXPECT_EQ(list.rules[1].action, Action::kAllow);
}

TEST(AddRule, ChangesTheTimeThatIsLeftAndKeepsNameAndPlace) {
    List list;
    list.add("deny tcp", 1000);
    list.add("deny udp");
    for (const std::uint64_t expires : {2000, 500, 0, 3000}) {
        const RuleOutcome outcome = list.add("deny tcp", expires);
        EXPECT_EQ(outcome.change, RuleChange::kReplaced);
        EXPECT_EQ(outcome.place, 0U);
        EXPECT_EQ(outcome.replaced_name, "deny-tcp");
        EXPECT_EQ(list.rules.front().expires, expires);
        EXPECT_EQ(names(list.rules), (Words{"deny-tcp", "deny-udp"}));
    }
}

TEST(AddRule, MovesWhatItReplacesWhenAPlaceIsNamed) {
    List list = list_of({"deny tcp", "deny udp", "deny icmp"});
    const RuleOutcome outcome = list.add_before("allow icmp", "deny-tcp");
    EXPECT_EQ(outcome.change, RuleChange::kReplaced);
    EXPECT_EQ(outcome.place, 0U);
    EXPECT_EQ(outcome.replaced_name, "deny-icmp");
    EXPECT_EQ(names(list.rules), (Words{"allow-icmp", "deny-tcp", "deny-udp"}));

    const RuleOutcome moved = list.add_before("allow icmp", "deny-udp");  // the same rule, another place
    EXPECT_EQ(moved.change, RuleChange::kReplaced);
    EXPECT_EQ(moved.place, 1U);
    EXPECT_EQ(names(list.rules), (Words{"deny-tcp", "allow-icmp", "deny-udp"}));
}

TEST(AddRule, StaysWhereItIsInFrontOfTheRuleThatItReplaces) {
    List list = list_of({"deny tcp", "deny udp", "deny icmp"});
    const RuleOutcome outcome = list.add_before("allow udp", "deny-udp");
    EXPECT_EQ(outcome.change, RuleChange::kReplaced);
    EXPECT_EQ(outcome.place, 1U);
    EXPECT_EQ(names(list.rules), (Words{"deny-tcp", "allow-udp", "deny-icmp"}));
}

TEST(AddRule, FindsANameThatNoOtherRuleHas) {
    List list = list_of({"deny tcp"});
    list.rules.front().name = "deny-udp";
    list.add("deny udp");
    EXPECT_EQ(names(list.rules), (Words{"deny-udp", "deny-udp-2"}));
    list.rules.back().services = rule("deny sctp").services;
    list.add("deny udp");
    EXPECT_EQ(names(list.rules), (Words{"deny-udp", "deny-udp-2", "deny-udp-3"}));

    // One that is taken as it takes another's place, and one that has no room for a number.
    list.rules.front().name = "allow-udp";
    list.add("allow udp");
    EXPECT_EQ(names(list.rules), (Words{"allow-udp", "deny-udp-2", "allow-udp-2"}));
    const Rule long_one =
        rule("deny udp from 198.51.100.101 198.51.100.102 198.51.100.103 198.51.100.104 198.51.100.105");
    ASSERT_EQ(long_one.name.size(), kMaxNameLength);
    list.rules.front().name = long_one.name;
    ASSERT_TRUE(add_rule(list.rules, long_one, std::nullopt));
    EXPECT_EQ(list.rules.back().name, long_one.name.substr(0, kMaxNameLength - 2) + "-2");
}

TEST(AddRule, SaysWhatIcmpLeavesOut) {
    EXPECT_EQ(List{}.add("deny icmp").notes, Words{kIcmpNote});
    EXPECT_EQ(List{}.add("allow icmp").notes,
              Words{"icmp is IPv4's: ICMPv6 is not covered; for both: fwctl allow icmp icmp6"});
    EXPECT_EQ(List{}.add("deny icmp from 10.0.0.0/8 2001:db8::/32").notes, Words{kIcmpNote});
    EXPECT_EQ(List{}.add("deny icmp6").notes, Words{kIcmp6Note});
    EXPECT_EQ(List{}.add("deny icmp icmp6").notes, Words{kIcmp6Note});
    EXPECT_EQ(List{}.add("allow icmp6").notes, Words{});
    EXPECT_EQ(List{}.add("allow icmp icmp6").notes, Words{});
    EXPECT_EQ(List{}.add("deny any").notes, Words{});
    List list = list_of({"deny icmp"});
    EXPECT_EQ(list.add("deny icmp").notes, Words{kIcmpNote});
}

TEST(AddRule, DoesNotSpeakOfIcmp6WhereAddressesAreIpv4s) {
    EXPECT_EQ(List{}.add("deny icmp from 10.0.0.0/8 192.0.2.1").notes, Words{});
    EXPECT_EQ(List{}.add("deny icmp to 10.0.0.0/8").notes, Words{});
}

TEST(AddRule, SaysWhichRuleLeavesItNothing) {
    List list = list_of({"deny tcp", "deny udp from 10.0.0.0/8"});
    EXPECT_EQ(list.add("allow tcp/22 from 10.0.0.0/8").notes,
              Words{"it never matches: \"deny-tcp\" comes first; to be asked before it: --before deny-tcp"});
    EXPECT_EQ(list.add("allow udp/53").notes, Words{});  // from elsewhere it matches
    EXPECT_EQ(list.add("allow udp/53 from 10.1.0.0/16").notes,
              Words{"it never matches: \"deny-udp-from-10.0.0.0/8\" comes first; to be asked before it: "
                    "--before deny-udp-from-10.0.0.0/8"});
    EXPECT_EQ(list.add_before("allow tcp/80", "deny-tcp").notes, Words{});
}

TEST(AddRule, SaysOnlyOnceThatItNeverMatches) {
    List list = list_of({"deny tcp/1-100", "deny tcp"});
    EXPECT_EQ(list.add("allow tcp/22").notes.size(), 1U);
}

TEST(AddRule, SaysWhenABuiltInRuleComesFirst) {
    EXPECT_EQ(List{}.add("deny icmp6/neighbor-solicitation").notes,
              (Words{kIcmp6Note, "it never matches: the built-in rule \"neighbor-discovery\" comes first"}));
    EXPECT_EQ(List{}.add("allow icmp6/neighbor-solicitation").notes, Words{});  // it says the same
    EXPECT_EQ(List{}.add("deny icmp/fragmentation-needed from 10.0.0.0/8").notes,
              Words{"it never matches: the built-in rule \"packet-too-big\" comes first"});
}

TEST(AddRule, ThatEndsSoonerLeavesSomething) {
    List list;
    list.add("deny tcp", 1000);
    EXPECT_EQ(list.add("allow tcp/22", 2000).notes, Words{});
    EXPECT_EQ(list.add("allow tcp/23", 500).notes.size(), 1U);
}

// Each edit that fails, and what it says.
struct Failure {
    std::string message;
    Status (*edit)(std::vector<Rule>& rules);
};

Status without_outcome(const Result<RuleOutcome>& result) {
    if (!result) return tl::unexpected(result.error());
    return {};
}

TEST(Edit, ThatFailsSaysWhyAndLeavesTheListAsItWas) {
    const Failure failures[] = {
        {"there is no rule \"nosuch\"; see: fwctl rule list",
         [](auto& rules) { return remove_rule(rules, "nosuch"); }},
        {"there is no rule \"deny-uddp\"; did you mean \"deny-udp\"?",
         [](auto& rules) { return remove_rule(rules, "deny-uddp"); }},
        {"there is no rule \"\"; see: fwctl rule list", [](auto& rules) { return remove_rule(rules, ""); }},
        {"\"arp\" is a built-in rule, which cannot be removed or moved",
         [](auto& rules) { return remove_rule(rules, "arp"); }},
        {"\"malformed\" is a built-in rule, which cannot be removed or moved",
         [](auto& rules) { return move_rule(rules, "malformed", std::nullopt); }},
        {"there is no rule \"nosuch\"; see: fwctl rule list",
         [](auto& rules) { return move_rule(rules, "nosuch", "deny-udp"); }},
        {"there is no rule \"deny-tpc\"; did you mean \"deny-tcp\"?",
         [](auto& rules) { return move_rule(rules, "deny-udp", "deny-tpc"); }},
        {"\"arp\" is a built-in rule, which cannot be removed or moved",
         [](auto& rules) { return move_rule(rules, "deny-udp", "arp"); }},
        {"there is no rule \"nosuch\"; see: fwctl rule list",
         [](auto& rules) { return without_outcome(add_rule(rules, rule("allow icmp"), "nosuch")); }},
        {"there is no rule \"nosuch\"; see: fwctl rule list",
         [](auto& rules) { return without_outcome(add_rule(rules, rule("allow tcp"), "nosuch")); }},
        {"\"arp\" is a built-in rule, which cannot be removed or moved",
         [](auto& rules) { return without_outcome(add_rule(rules, rule("allow tcp"), "arp")); }},
        {"the rule can never match: its services and addresses are of different IP versions",
         [](auto& rules) {
             Rule impossible = rule("deny icmp");
             impossible.from = rule("deny any from 2001:db8::/32").from;
             return without_outcome(add_rule(rules, impossible, std::nullopt));
         }},
    };
    const std::vector<Rule> before = list_of({"deny tcp", "deny udp", "deny icmp6"}).rules;
    for (const Failure& failure : failures) {
        std::vector<Rule> rules = before;
        const Status done = failure.edit(rules);
        ASSERT_FALSE(done.has_value()) << failure.message;
        EXPECT_EQ(done.error().message, failure.message);
        EXPECT_EQ(done.error().exit, Exit::kUsage) << failure.message;
        EXPECT_EQ(rules, before) << failure.message;
    }
}

TEST(RemoveRule, TakesOutTheOneOfThatName) {
    List list = list_of({"deny tcp", "deny udp", "deny sctp"});
    ASSERT_TRUE(remove_rule(list.rules, "deny-udp"));
    EXPECT_EQ(names(list.rules), (Words{"deny-tcp", "deny-sctp"}));
    ASSERT_TRUE(remove_rule(list.rules, "deny-tcp"));
    ASSERT_TRUE(remove_rule(list.rules, "deny-sctp"));
    EXPECT_TRUE(list.rules.empty());
    EXPECT_EQ(remove_rule(list.rules, "deny-tcp").error().message,
              "there is no rule \"deny-tcp\"; see: fwctl rule list");
}

TEST(MoveRule, GoesToTheEndOrInFrontOfAnother) {
    List list = list_of({"deny tcp", "deny udp", "deny sctp"});
    const auto moved = [&](const char* name, const std::optional<std::string>& before) {
        EXPECT_TRUE(move_rule(list.rules, name, before));
        return names(list.rules);
    };
    EXPECT_EQ(moved("deny-tcp", std::nullopt), (Words{"deny-udp", "deny-sctp", "deny-tcp"}));
    EXPECT_EQ(moved("deny-tcp", std::nullopt), (Words{"deny-udp", "deny-sctp", "deny-tcp"}));
    EXPECT_EQ(moved("deny-tcp", "deny-udp"), (Words{"deny-tcp", "deny-udp", "deny-sctp"}));
    EXPECT_EQ(moved("deny-tcp", "deny-sctp"), (Words{"deny-udp", "deny-tcp", "deny-sctp"}));
    EXPECT_EQ(moved("deny-tcp", "deny-tcp"), (Words{"deny-udp", "deny-tcp", "deny-sctp"}));
}

// Whatever is edited: names stay different and no built-in rule's, no two rules have one match, and what was
// added says what was asked for.
TEST(Edit, KeepsTheListInOrder) {
    generate::SmallWorld random(7, generate::Vocabulary::kLive);
    std::vector<Rule> rules;
    for (int i = 0; i < 3000; ++i) {
        const Rule wanted = random.rule(i);
        std::optional<std::string> before;
        if (!rules.empty() && random.chance(2)) before = rules[random.below(rules.size())].name;
        const auto outcome = add_rule(rules, wanted, before);
        ASSERT_TRUE(outcome.has_value());
        ASSERT_TRUE(same_match(rules[outcome->place], wanted));
        ASSERT_EQ(rules[outcome->place].action, wanted.action);
        Words sorted = names(rules);
        std::sort(sorted.begin(), sorted.end());
        ASSERT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
        for (std::size_t one = 0; one < rules.size(); ++one) {
            ASSERT_FALSE(describe_builtin(rules[one].name)) << rules[one].name;
            if (one != outcome->place) {
                ASSERT_FALSE(same_match(rules[one], wanted)) << rules[one].name;
            }
        }
        if (rules.size() > 30) {
            const std::string name = rules[random.below(30)].name;
            ASSERT_TRUE(remove_rule(rules, name));
        }
    }
}

Rule limited(const Words& words) {
    return parse_limit_words(words).value();
}

TEST(AddRule, ChangesTheNumbersOfALimitAndKeepsItsName) {
    std::vector<Rule> rules;
    ASSERT_TRUE(add_rule(rules, limited({"tcp/22", "10/minute", "per", "source"}), std::nullopt));
    const auto changed =
        add_rule(rules, limited({"tcp/22", "20/second", "burst", "5", "per", "source"}), std::nullopt);
    ASSERT_TRUE(changed);
    EXPECT_EQ(changed->change, RuleChange::kReplaced);
    EXPECT_EQ(names(rules), Words{"limit-tcp/22-per-source"});
    EXPECT_EQ(rules.front().rate->count, 20U);
    EXPECT_EQ(add_rule(rules, rules.front(), std::nullopt)->change, RuleChange::kUnchanged);
}

TEST(AddRule, TakesALimitAndAPlainRuleForDifferentOnes) {
    std::vector<Rule> rules;
    for (const Rule& one :
         {limited({"tcp/22", "10/minute"}), limited({"tcp/22", "10/minute", "per", "source"}),
          limited({"tcp/22", "10/minute", "bytes"}), rule("deny tcp/22 in")}) {
        const auto added = add_rule(rules, one, std::nullopt);
        ASSERT_TRUE(added);
        EXPECT_EQ(added->change, RuleChange::kAdded) << one.name;
        EXPECT_EQ(added->notes, Words{}) << "nothing behind a limit is covered by it";
    }
    EXPECT_EQ(names(rules),
              (Words{"limit-tcp/22", "limit-tcp/22-per-source", "limit-tcp/22-2", "deny-tcp/22-in"}));
}

}  // namespace
}  // namespace fwctl::policy
