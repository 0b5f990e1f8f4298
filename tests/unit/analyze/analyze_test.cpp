#include "analyze/analyze.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "policy/builtin.h"
#include "written.h"

namespace fwctl::analyze {
namespace {

Words messages(const Policy& policy, std::uint64_t steps = kAnalysisSteps) {
    Words messages;
    for (const Finding& finding : analyze(policy, steps)) {
        messages.push_back(finding.message);
    }
    return messages;
}

// What is said of rules that can never match.
Words never(const std::vector<Rule>& rules, std::vector<Set> sets = {}) {
    Words messages;
    for (const Finding& finding : analyze(policy(rules, std::move(sets)))) {
        if (finding.kind == Finding::Kind::kNeverMatches) {
            messages.push_back(finding.message);
        }
    }
    return messages;
}

Words nothing(const Policy& policy) {
    Words messages;
    for (const Finding& finding : analyze(policy)) {
        if (finding.kind == Finding::Kind::kChangesNothing) {
            messages.push_back(finding.message);
        }
    }
    return messages;
}

TEST(NeverMatches, BehindARuleThatCoversIt) {
    EXPECT_EQ(
        never({deny("a", {"tcp"}), allow("b", {"tcp/22"}, {"10.0.0.0/8"})}),
        Words{R"(rule "b" can never match: "a" (policy.toml:10) before it denies all that it matches)"});
    EXPECT_EQ(never({deny("a", {"tcp/22"}), allow("b", {"tcp"})}), Words{});
    EXPECT_EQ(
        never({deny("a", {"tcp"}), deny("b", {"tcp"})}),
        Words{R"(rule "b" can never match: "a" (policy.toml:10) before it denies all that it matches)"});
}

TEST(NeverMatches, BehindRulesThatCoverItTogether) {
    EXPECT_EQ(
        never({deny("low", {}, {"10.0.0.0/9"}), allow("other", {}, {"192.0.2.0/24"}),
               deny("high", {}, {"10.128.0.0/9"}), allow("both", {"udp"}, {"10.0.0.0/8"})}),
        Words{R"(rule "both" can never match: "low" (policy.toml:10) and "high" (policy.toml:30) before it )"
              "deny all that it matches"});
    EXPECT_EQ(
        never({deny("low", {}, {"10.0.0.0/9"}), deny("all", {"tcp"}), deny("high", {}, {"10.128.0.0/9"}),
               allow("ssh", {"tcp/22"}, {"10.0.0.0/8"})}),
        Words{R"(rule "ssh" can never match: "all" (policy.toml:20) before it denies all that it matches)"});
}

TEST(NeverMatches, NamesAFewOfMany) {
    std::vector<Rule> rules;
    for (int i = 0; i < 8; ++i) {
        rules.push_back(deny(std::to_string(i), {}, {"10." + std::to_string(32 * i) + ".0.0/11"}));
    }
    rules.push_back(allow("all", {}, {"10.0.0.0/8"}));
    EXPECT_EQ(never(rules),
              Words{R"(rule "all" can never match: "0" (policy.toml:10), "1" (policy.toml:20), )"
                    R"("2" (policy.toml:30) and 5 others before it deny all that it matches)"});
}

TEST(NeverMatches, LaterFragmentsHaveNoPorts) {
    const std::vector<Rule> ports = {deny("low", {"tcp/0-100"}), deny("high", {"tcp/101-65535"})};
    EXPECT_EQ(never({ports[0], ports[1], allow("tcp", {"tcp"})}), Words{});
    EXPECT_EQ(never({ports[0], ports[1], allow("tcp", {"tcp/1-65535"})}).size(), 1U);
    EXPECT_EQ(never({ports[0], ports[1], deny("later", {"tcp"}), allow("tcp", {"tcp"})}).size(), 1U);
    EXPECT_EQ(
        never({ports[0], ports[1], with(deny("later"), Field::kFragment, "later"), allow("tcp", {"tcp"})})
            .size(),
        1U);
}

TEST(NeverMatches, RulesThatOnlyCountCoverNothing) {
    EXPECT_EQ(never({rule("count", Action::kCount), rule("log", Action::kLog), deny("a")}), Words{});
    EXPECT_EQ(
        never({deny("a"), rule("count", Action::kCount)}),
        Words{R"(rule "count" can never match: "a" (policy.toml:10) before it denies all that it matches)"});
}

TEST(NeverMatches, RulesThatExpireCoverNothing) {
    Rule expires = deny("a");
    expires.expires = 5;
    EXPECT_EQ(never({expires, allow("b", {"tcp"})}), Words{});
}

TEST(NeverMatches, BehindBuiltInRules) {
    const std::vector<Rule> rules = {deny("nd", {"icmp6/135"})};
    EXPECT_EQ(
        never(rules),
        Words{
            R"(rule "nd" can never match: the built-in rule "neighbor-discovery" before it allows all that it matches)"});
    Policy disabled = policy(rules);
    disabled.disabled_builtins = {"neighbor-discovery"};
    EXPECT_EQ(messages(disabled), Words{});
}

TEST(NeverMatches, WhereThereIsNoSuchPacket) {
    const std::string none = R"(rule "a" can never match: there is no such packet)";
    EXPECT_EQ(never({with(deny("a", {"udp"}), Field::kTcpFlags, "syn")}), Words{none});
    EXPECT_EQ(never({with(deny("a", {}, {"10.0.0.1"}), Field::kFragment, "atomic")}), Words{none});
    EXPECT_EQ(never({with(deny("a", {"tcp"}), Field::kEthertype, "arp")}), Words{none});
    EXPECT_EQ(never({with(deny("a", {"tcp/22"}), Field::kLength, "0-39")}), Words{none});
    EXPECT_EQ(never({deny("a", {}, {"@nobody"})}, {set("nobody", {})}), Words{none});
    EXPECT_EQ(never({deny("a", {}, {"10.0.0.1", "!10.0.0.0/8"})}), Words{none});
}

TEST(NeverMatches, KnowsWhatIsInSets) {
    const std::vector<Set> sets = {set("few", {"10.0.0.1", "2001:db8::1"}),
                                   set("many", {"10.0.0.0/8", "2001:db8::/32"})};
    EXPECT_EQ(never({deny("a", {}, {"@many"}), allow("b", {}, {"@few"})}, sets).size(), 1U);
    EXPECT_EQ(never({deny("a", {}, {"@few"}), allow("b", {}, {"@many"})}, sets), Words{});
    EXPECT_EQ(never({deny("a", {}, {"@many", "!@few"}), allow("b", {}, {"@few"})}, sets), Words{});
    EXPECT_EQ(
        never({deny("a", {}, {"@many", "!@few"}), deny("b", {}, {"@few"}), allow("c", {}, {"@many"})}, sets)
            .size(),
        1U);
}

TEST(NeverMatches, OfDynamicSetsOnlyThatTheyAreTheSame) {
    const std::vector<Set> sets = {dynamic_set("banned"), dynamic_set("other")};
    EXPECT_EQ(never({deny("a", {}, {"@banned"}), allow("b", {"tcp"}, {"@banned"})}, sets).size(), 1U);
    EXPECT_EQ(never({deny("a", {}, {"@banned"}), allow("b", {"tcp"}, {"@other"})}, sets), Words{});
    EXPECT_EQ(never({deny("a", {}, {"@banned"}), allow("b", {"tcp"}, {}, {"@banned"})}, sets), Words{});
    EXPECT_EQ(
        never({deny("a", {}, {"@banned"}), deny("b", {}, {"!@banned"}), allow("c", {"tcp"})}, sets).size(),
        1U);
    EXPECT_EQ(never({deny("a", {}, {"@banned", "10.0.0.0/8"}), allow("b", {}, {"10.0.0.1"})}, sets).size(),
              1U);
}

TEST(NeverMatches, KnowsWhichNamesAPatternHas) {
    EXPECT_EQ(never({on(deny("a"), {"eth*"}), on(allow("b"), {"eth0"})}).size(), 1U);
    EXPECT_EQ(never({on(deny("a"), {"eth?"}), on(allow("b"), {"eth*"})}), Words{});
    EXPECT_EQ(never({on(deny("a"), {"e*"}), on(allow("b"), {"eth?", "ens*"})}).size(), 1U);
    EXPECT_EQ(never({on(deny("a"), {"*0"}), on(allow("b"), {"eth?"})}), Words{});
}

TEST(NeverMatches, PatternsThatAreTooEntangledCoverOnlyThemselves) {
    std::vector<Rule> rules;
    for (const char letter : std::string("abcdefghijklmn")) {
        rules.push_back(on(deny(std::string(1, letter)), {std::string("*") + letter + "*"}));
    }
    rules.push_back(on(allow("same"), {"*c*"}));
    rules.push_back(on(allow("within"), {"c*"}));
    EXPECT_EQ(
        never(rules),
        Words{R"(rule "same" can never match: "c" (policy.toml:30) before it denies all that it matches)"});
}

TEST(NeverMatches, SaysWhatIsDoneInstead) {
    EXPECT_EQ(
        never({allow("a", {"tcp/22"}), deny("b", {"tcp/22"})}),
        Words{R"(rule "b" can never match: "a" (policy.toml:10) before it allows all that it matches)"});
    EXPECT_EQ(
        never({allow("a", {"tcp/22"}), deny("b", {"tcp/23"}), deny("c", {"tcp/22-23"})}),
        Words{R"(rule "c" can never match: "a" (policy.toml:10) and "b" (policy.toml:20) before it decide )"
              "all that it matches"});
}

TEST(ChangesNothing, WhereTheDefaultDoesTheSame) {
    EXPECT_EQ(nothing(policy({allow("web", {"tcp/80"})})),
              Words{R"(rule "web" changes nothing: the default allows all that it matches)"});
    EXPECT_EQ(nothing(policy({allow("web", {"tcp/80"}), deny("ten", {}, {"10.0.0.0/8"})})), Words{});
    EXPECT_EQ(nothing(policy({allow("web", {"tcp/80"}, {"192.0.2.0/24"}), deny("ten", {}, {"10.0.0.0/8"})})),
              Words{R"(rule "web" changes nothing: the default allows all that it matches)"});
}

TEST(ChangesNothing, WhereARuleBehindDoesTheSame) {
    Policy denies = policy({allow("web", {"tcp/80"}), allow("tcp", {"tcp"})});
    denies.defaults.in = Action::kDeny;
    denies.defaults.out = Action::kDeny;
    EXPECT_EQ(
        nothing(denies),
        Words{R"(rule "web" changes nothing: "tcp" (policy.toml:20) behind it allows all that it matches)"});
    denies.defaults.out = Action::kAllow;
    EXPECT_EQ(
        nothing(denies),
        Words{
            R"(rule "web" changes nothing: the default and "tcp" (policy.toml:20) behind it allow all that )"
            "it matches"});
}

TEST(ChangesNothing, NotWhereARuleBehindWouldCountIt) {
    EXPECT_EQ(nothing(policy({allow("web", {"tcp/80"}), rule("count", Action::kCount, {"tcp"})})), Words{});
    EXPECT_EQ(nothing(policy({allow("web", {"tcp/80"}), rule("log", Action::kLog, {"udp"})})).size(), 1U);
}

TEST(ChangesNothing, NotWhereAServiceWouldBalanceIt) {
    Policy closed = policy({deny("web", {"tcp/80"}), deny("dns", {"udp/53"})});
    closed.defaults.in = Action::kDeny;
    closed.defaults.out = Action::kDeny;
    Vip vip;
    vip.name = "web";
    vip.addresses = addresses({"203.0.113.10"}).prefixes;
    vip.services = {parse_service("tcp").value()};
    closed.vips = {vip};
    const Words dns = {R"(rule "dns" changes nothing: the default denies all that it matches)"};
    EXPECT_EQ(nothing(closed), dns);
    closed.vips[0].enabled = false;
    EXPECT_EQ(nothing(closed).size(), 2U);
    closed.vips[0].enabled = true;
    closed.rules.insert(closed.rules.begin(), deny("before", {}, {}, {"203.0.113.10"}));
    EXPECT_EQ(nothing(closed),
              (Words{R"(rule "web" changes nothing: the default denies all that it matches)", dns[0]}))
        << "what is for the service does not get there";
}

TEST(ChangesNothing, NotWhereTheVerdictIsAlike) {
    Rule host = rule("host", Action::kReject, {"tcp/80"});
    host.reject_with = RejectWith::kHostUnreachable;
    EXPECT_EQ(nothing(policy({host, rule("all", Action::kReject)})), Words{});
    Rule one = rule("one", Action::kRedirect, {"tcp/80"});
    one.redirect = Redirect{"eth1", std::nullopt};
    Rule other = rule("other", Action::kRedirect);
    other.redirect = Redirect{"eth2", std::nullopt};
    EXPECT_EQ(nothing(policy({one, other})), Words{});
    other.redirect = one.redirect;
    EXPECT_EQ(
        nothing(policy({one, other})),
        Words{
            R"(rule "one" changes nothing: "other" (policy.toml:20) behind it redirects all that it matches)"});
}

// A packet of eth0 carries the attachment's name too.
TEST(ChangesNothing, NotWhereAnotherNameOfTheDeviceIsDenied) {
    Policy named = policy({on(allow("a"), {"wan"}), on(deny("b"), {"eth0"})});
    EXPECT_EQ(nothing(named).size(), 1U);
    named.attachments.resize(1);
    named.attachments[0].name = "wan";
    named.attachments[0].device = "eth*";
    EXPECT_EQ(nothing(named), Words{});
    named.attachments[0].device = "docker0";
    EXPECT_EQ(nothing(named).size(), 1U);
}

TEST(UnusedSets, AreThoseThatNeitherARuleNorTheLockoutNames) {
    Policy some = policy({deny("a", {}, {"!@except"}), deny("b", {}, {}, {"@to"})},
                         {set("admins", {"10.0.0.1"}), set("except", {"10.0.0.1"}), set("to", {"10.0.0.1"}),
                          dynamic_set("unused")});
    some.defaults.lockout = Lockout{addresses({"@admins"}), {parse_service("tcp/22").value()}};
    some.sets[3].place.span.line = 7;
    const auto findings = analyze(some);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].kind, Finding::Kind::kUnusedSet);
    EXPECT_EQ(findings[0].index, 3U);
    EXPECT_EQ(findings[0].place.span.line, 7U);
    EXPECT_EQ(findings[0].message, R"(no rule uses the set "unused")");
}

TEST(CutShort, SaysHowManyRulesWereNotJudged) {
    const auto findings = analyze(policy({deny("a", {"tcp"}), allow("b", {"tcp/22"})}), 0);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].kind, Finding::Kind::kCutShort);
    EXPECT_EQ(findings[0].message,
              "too many rules overlap: it was not found out of 2 of 2 rules whether they can match");
}

TEST(CutShort, IsBetterThanBeingWrong) {
    std::vector<Rule> rules;
    for (int i = 0; i < 16; ++i) {
        const std::string port = std::to_string(i);
        rules.push_back(deny("from " + port, {"tcp/" + port}, {"10.0.0." + port}));
        rules.push_back(deny("to " + port, {"tcp/" + port}, {}, {"10.0.0." + port}));
    }
    rules.push_back(allow("all", {"tcp/0-15"}, {"10.0.0.0/28"}, {"10.0.0.0/28"}));
    const Words enough = messages(policy(rules));
    for (std::uint64_t steps = 0; steps < 100000; steps += 5000) {
        for (const std::string& message : messages(policy(rules), steps)) {
            EXPECT_TRUE(message.find("was not found out") != std::string::npos ||
                        std::count(enough.begin(), enough.end(), message) == 1)
                << message;
        }
    }
}

TEST(LargeSets, CoverThemselvesAtOnce) {
    Set large = set("large", {});
    for (std::uint32_t i = 0; i < 1'000'000; ++i) {
        const std::uint32_t address = i * 4099;  // no two are neighbours
        large.elements.push_back(
            {Family::kIpv4,
             32,
             {static_cast<std::uint8_t>(address >> 24), static_cast<std::uint8_t>(address >> 16),
              static_cast<std::uint8_t>(address >> 8), static_cast<std::uint8_t>(address)}});
    }
    std::sort(large.elements.begin(), large.elements.end());
    EXPECT_EQ(
        messages(policy({deny("all", {}, {"@large"}), allow("ssh", {"tcp/22"}, {"@large"}),
                         deny("ten", {}, {"10.0.0.0/8"}), deny("rest", {"udp"}, {"@large", "11.0.0.0/8"})},
                        {large})),
        Words{R"(rule "ssh" can never match: "all" (policy.toml:10) before it denies all that it matches)"});
}

TEST(Findings, PointAtRulesInTheOrderAsked) {
    const auto findings =
        analyze(policy({deny("a", {"tcp"}), deny("b", {"udp"}), allow("c", {"tcp/22", "udp/53"})}));
    const std::size_t builtin = builtin_rules().size() - kParserRules;
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].index, builtin + 2);
    EXPECT_EQ(findings[0].place.span.line, 30U);
    EXPECT_EQ(findings[0].others, (std::vector<std::size_t>{builtin, builtin + 1}));
}

Rule rated(Rule rule, const std::string& rate) {
    rule.rate = parse_rate(rate).value();
    return canonical(rule);
}

TEST(Rates, CoverNothingAndAreCovered) {
    EXPECT_EQ(never({rated(deny("a", {"tcp"}), "over 5/second"), allow("b", {"tcp/22"})}), Words{});
    EXPECT_EQ(never({rated(deny("a", {"tcp"}), "over 5/second"), rated(deny("b", {"tcp"}), "over 5/second")}),
              Words{});
    EXPECT_EQ(
        never({deny("a", {"tcp"}), rated(allow("b", {"tcp/22"}), "under 5/second")}),
        Words{R"(rule "b" can never match: "a" (policy.toml:10) before it denies all that it matches)"});
}

TEST(Rates, ChangeNothingWhereAllThatIsBehindDoesTheSame) {
    EXPECT_EQ(nothing(policy({rated(allow("a", {"tcp"}), "under 5/second")})),
              Words{R"(rule "a" changes nothing: the default allows all that it matches)"});
    EXPECT_EQ(nothing(policy({rated(deny("a", {"tcp"}), "over 5/second")})), Words{});
    Rule in = deny("b", {"tcp"});
    in.direction = Direction::kIn;
    EXPECT_EQ(
        nothing(policy({rated(deny("a", {"tcp"}), "over 5/second"), in})),
        Words{R"(rule "a" changes nothing: "b" (policy.toml:20) behind it denies all that it matches)"});
    EXPECT_EQ(nothing(policy({in, rated(deny("a", {"udp"}), "over 5/second")})), Words{});
}

}  // namespace
}  // namespace fwctl::analyze
