#include "policy/parse.h"

#include <gtest/gtest.h>

#include <random>

#include "policy/addresses.h"
#include "policy/print.h"
#include "whole_policy.h"

namespace fwctl::policy {
namespace {

std::string errors_of(std::string_view text) {
    const ParseResult parsed = parse_policy(text, "p.toml");
    return parsed ? "no error" : parsed.error().render();
}

TEST(ParsePolicy, ReadsEveryKey) {
    const Policy full = parse_policy(R"(
version = 1

[[rule]]
name      = "ssh from inside"
action    = "allow"
service   = ["tcp/22", "tcp/ssh", "icmp/8"]   # one of them twice
from      = ["192.0.2.1", "10.0.0.0/8"]
to        = "192.0.2.128/25"
on        = ["eth*", "docker0"]
direction = "in"

[[rule]]
name   = "the rest"
action = "deny"
)",
                                     "p.toml")
                            .value();
    ASSERT_EQ(full.rules.size(), 2U);
    EXPECT_EQ(describe(full.rules[0]),
              "allow icmp/echo-request, tcp/22 from 10.0.0.0/8, 192.0.2.1 to 192.0.2.128/25 "
              "on docker0, eth* in");
    EXPECT_EQ(full.rules[0].name, "ssh from inside");
    EXPECT_EQ(full.rules[0].origin, Origin::kLive);
    EXPECT_EQ(full.rules[0].expires, 0U);
    EXPECT_EQ(describe(full.rules[1]), "deny any");
}

TEST(ParsePolicy, TakesAPolicyWithoutRules) {
    EXPECT_EQ(parse_policy("version = 1\n", "p.toml").value(), Policy{});
    EXPECT_EQ(parse_policy("version = 1\nrule = []\n", "p.toml").value(), Policy{});
}

TEST(ParsePolicy, NeedsItsVersion) {
    EXPECT_EQ(errors_of(""),
              "p.toml:1:1: error: the policy does not say its version\n"
              "  hint: begin it with: version = 1\n");
    EXPECT_EQ(errors_of("version = 2\n"),
              "p.toml:1:11: error: version 2 is not known; this fwctl reads version 1\n"
              "   1 | version = 2\n"
              "     |           ^\n");
    EXPECT_EQ(errors_of("version = \"1\"\n"),
              "p.toml:1:11: error: \"version\" takes an integer, not a string\n"
              "   1 | version = \"1\"\n"
              "     |           ^~~\n");
}

TEST(ParsePolicy, SuggestsTheKeyThatWasMeant) {
    EXPECT_EQ(errors_of("version = 1\nrules = 1\ncolour = 2\n"),
              "p.toml:2:1: error: unknown key \"rules\"\n"
              "   2 | rules = 1\n"
              "     | ^~~~~\n"
              "  hint: did you mean \"rule\"?\n"
              "p.toml:3:1: error: unknown key \"colour\"\n"
              "   3 | colour = 2\n"
              "     | ^~~~~~\n"
              "  hint: the keys of a policy are version, include, defaults, conntrack, builtin, attach, set, "
              "route, "
              "rule, vip, decapsulate, test\n");
    EXPECT_EQ(
        errors_of("version = 1\n[[rule]]\nname = \"x\"\naction = \"deny\"\nform = \"x\"\ncolour = 2\n"),
        "p.toml:5:1: error: unknown key \"form\"\n"
        "   5 | form = \"x\"\n"
        "     | ^~~~\n"
        "  hint: did you mean \"from\"?\n"
        "p.toml:6:1: error: unknown key \"colour\"\n"
        "   6 | colour = 2\n"
        "     | ^~~~~~\n"
        "  hint: the keys of a rule are name, comment, action, reject, redirect, sample, ban, service, from, "
        "to, "
        "sport, flags, fragment, length, ttl, dscp, vlan, mac, ethertype, state, on, direction, rate\n");
}

TEST(ParsePolicy, WantsRulesAsAListOfTables) {
    EXPECT_EQ(errors_of("version = 1\n[rule]\nname = \"x\"\n"),
              "p.toml:2:1: error: \"rule\" is a list of tables, not a table\n"
              "   2 | [rule]\n"
              "     | ^~~~~~\n"
              "  hint: write [[rule]]\n");
    EXPECT_EQ(errors_of("version = 1\nrule = [true]\n"),
              "p.toml:2:9: error: a rule is a table, not a boolean\n"
              "   2 | rule = [true]\n"
              "     |         ^~~~\n"
              "  hint: write [[rule]]\n");
}

TEST(ParsePolicy, ShowsEveryMistakeAtOnce) {
    EXPECT_EQ(errors_of(R"(version = 1

[[rule]]
name = "arp"
action = "drop"
service = ["tcp/22", 5, "any", "tpc"]
from = []
to = ["10.0.0.1/8", "@Admins"]
on = "a/b"
direction = "both"

[[rule]]
action = 3
service = 2020-01-01
)"),
              R"(p.toml:4:8: error: "arp" is the name of a built-in rule
   4 | name = "arp"
     |        ^~~~~
p.toml:5:10: error: "drop" is not an action; write allow, deny, reject, redirect, synproxy, count or log
   5 | action = "drop"
     |          ^~~~~~
p.toml:6:22: error: "service" takes strings, not an integer
   6 | service = ["tcp/22", 5, "any", "tpc"]
     |                      ^
  hint: service takes any, icmp, tcp/22, udp/1000-2000, icmp6/echo-request, gre, 47
p.toml:6:25: error: any already means every packet; leave out the other services
   6 | service = ["tcp/22", 5, "any", "tpc"]
     |                         ^~~~~
p.toml:6:32: error: unknown service "tpc"; did you mean "tcp"?
   6 | service = ["tcp/22", 5, "any", "tpc"]
     |                                ^~~~~
p.toml:7:8: error: "from" lists nothing and would match nothing
   7 | from = []
     |        ^~
  hint: leave from out to match everything
p.toml:8:7: error: 10.0.0.1/8 has host bits set; did you mean 10.0.0.0/8 or 10.0.0.1?
   8 | to = ["10.0.0.1/8", "@Admins"]
     |       ^~~~~~~~~~~~
p.toml:8:21: error: "Admins" is not a set's name: 1 to 63 of a-z 0-9 _ -
   8 | to = ["10.0.0.1/8", "@Admins"]
     |                     ^~~~~~~~~
p.toml:9:6: error: "a/b" is not an interface's name or pattern (eth0, veth*), of at most 15 letters
   9 | on = "a/b"
     |      ^~~~~
p.toml:10:13: error: "both" is not a direction; write in or out, or leave it out for both
  10 | direction = "both"
     |             ^~~~~~
p.toml:12:1: error: a rule needs the key "name"
  12 | [[rule]]
     | ^~~~~~~~
  hint: name takes 1 to 63 of A-Z a-z 0-9 . , _ / : @ - and blanks
p.toml:13:10: error: "action" takes a string, not an integer
  13 | action = 3
     |          ^
  hint: action takes allow, deny, reject, redirect, synproxy, count or log
p.toml:14:11: error: "service" takes a string or an array of strings, not a date or time
  14 | service = 2020-01-01
     |           ^~~~~~~~~~
  hint: service takes any, icmp, tcp/22, udp/1000-2000, icmp6/echo-request, gre, 47
)");
}

TEST(ParsePolicy, WantsEveryNameOnce) {
    EXPECT_EQ(errors_of(R"(version = 1
[[rule]]
name = "x"
action = "deny"
[[rule]]
name = "x"
action = "allow"
)"),
              "p.toml:6:8: error: another rule is called \"x\", in line 3\n"
              "   6 | name = \"x\"\n"
              "     |        ^~~\n");
}

TEST(ParsePolicy, RefusesARuleThatCanNeverMatch) {
    EXPECT_EQ(errors_of(R"(version = 1
[[rule]]
name = "x"
action = "deny"
service = "icmp"
from = "2001:db8::/32"
)"),
              "p.toml:2:1: error: the rule can never match: its services and addresses are of different IP "
              "versions\n"
              "   2 | [[rule]]\n"
              "     | ^~~~~~~~\n");
}

TEST(ParsePolicy, ShowsErrorsOfTheSyntax) {
    EXPECT_EQ(errors_of("version = 1\n[[rule]\n"),
              "p.toml:2:8: error: parsing table header: expected ']', saw '\\n'\n"
              "   2 | [[rule]\n"
              "     |        ^\n");
    EXPECT_EQ(errors_of("version = 1\nversion = 1\n"),
              "p.toml:2:11: error: parsing key-value pair: cannot redefine existing integer 'version'\n"
              "   2 | version = 1\n"
              "     |           ^\n");
}

// What toml++ 3.3 ends the process for, or worse (see policy/toml.h).
TEST(ParsePolicy, SurvivesWhatTomlPlusPlusDoesNot) {
    EXPECT_EQ(
        errors_of("[[[rule]]]\n"),
        "p.toml:1:3: error: parsing key: expected bare key starting character or string delimiter, saw '['\n"
        "   1 | [[[rule]]]\n"
        "     |   ^\n");
    for (const char* text : {"[&", "[[=", "[", "[[", "\u00c0 = 1", "name = \u00a7", "\u032a", "\u2028x = 1",
                             "a = \u1681", "s = \"\"\"\\\n\u00a7\"\"\"\n"}) {
        EXPECT_FALSE(parse_policy(text, "p.toml").has_value()) << text;
    }
}

TEST(ParsePolicy, RemindsOfForgottenQuotes) {
    EXPECT_EQ(errors_of("version = 1\n[[rule]]\nfrom = 192.0.2.1\n"),
              "p.toml:3:13: error: parsing floating-point: expected decimal digit or exponent, saw '.'\n"
              "   3 | from = 192.0.2.1\n"
              "     |             ^\n"
              "  hint: services, addresses and names stand in quotes: from = \"192.0.2.1\"\n");
}

TEST(ParsePolicy, StandsAlone) {
    EXPECT_EQ(errors_of(R"(version = 1
include = "policy.d"
[set.a]
file = "list.txt"
)"),
              R"(p.toml:2:1: error: only the policy's own file includes others
   2 | include = "policy.d"
     | ^~~~~~~
p.toml:4:8: error: only a policy's own files name others
   4 | file = "list.txt"
     |        ^~~~~~~~~~
)");
    // The sets of live rules are in the policy beside them.
    EXPECT_EQ(errors_of("version = 1\n[[rule]]\nname = \"x\"\naction = \"deny\"\nfrom = \"@admins\"\n"),
              "no error");
}

constexpr const char* kMain = R"(version = 1
include = ["policy.d", "more/"]

[defaults]
in = "deny"

[set.drop]
file = "lists/drop.txt"

[[rule]]
name   = "listed"
from   = ["@drop", "@office"]
action = "deny"
)";

std::vector<Source> files() {
    return {
        {"etc/p.toml", kMain},
        {"etc/policy.d/10-web.toml", "[[rule]]\nname = \"web\"\naction = \"allow\"\nservice = \"tcp/80\"\n"},
        {"etc/policy.d/20-office.toml", "version = 1\n[set.office]\nfile = \"office.txt\"\n"},
        {"etc/policy.d/README", "not a policy"},
        {"etc/policy.d/.#10-web.toml", "not a policy"},
        {"etc/policy.d/old/a.toml", "not a policy"},
        {"etc/more/05.toml", "[[rule]]\nname = \"last\"\naction = \"count\"\n"},
        {"etc/lists/drop.txt", "1.10.16.0/20 ; SBL256894\n192.0.2.1/24\n"},
        {"etc/policy.d/office.txt", "2001:db8::/32\n"},
    };
}

LoadResult load(std::vector<Source> sources, const std::string& path = "etc/p.toml") {
    return load_policy(path, SnapshotReader(std::move(sources)));
}

std::string load_errors(std::vector<Source> sources, const std::string& path = "etc/p.toml") {
    const LoadResult loaded = load(std::move(sources), path);
    return loaded ? "no error" : loaded.error().render();
}

TEST(LoadPolicy, ReadsFoldersAndListsBesideIt) {
    const LoadResult loaded = load(files());
    ASSERT_TRUE(loaded.has_value()) << loaded.error().render();
    const Policy& policy = loaded->policy;
    ASSERT_EQ(policy.rules.size(), 3U);
    EXPECT_EQ(policy.rules[0].name, "listed");
    EXPECT_EQ(policy.rules[1].name, "web");
    EXPECT_EQ(policy.rules[2].name, "last");
    EXPECT_EQ(policy.rules[2].origin, Origin::kFile);
    EXPECT_EQ(policy.files, (std::vector<std::string>{"etc/p.toml", "etc/policy.d/10-web.toml",
                                                      "etc/policy.d/20-office.toml", "etc/more/05.toml",
                                                      "etc/lists/drop.txt", "etc/policy.d/office.txt"}));
    EXPECT_EQ(policy.rules[2].place.file, 3U);
    EXPECT_EQ(loaded->sources[3].path, policy.files[3]);
    EXPECT_EQ(policy.find_set("drop")->file, "lists/drop.txt");
    EXPECT_EQ(policy.find_set("office")->file, "policy.d/office.txt");
    EXPECT_EQ(prefix_words(policy.find_set("office")->elements), (std::vector<std::string>{"2001:db8::/32"}));
    EXPECT_EQ(policy.find_set("drop")->elements.size(), 2U);
    EXPECT_EQ(policy.find_set("other"), nullptr);
    EXPECT_EQ(loaded->warnings.render(),
              "etc/lists/drop.txt:2:1: warning: 1 entry has bits set behind its length; they are read as the "
              "blocks that they lie in, beginning with this one\n"
              "   2 | 192.0.2.1/24\n"
              "     | ^~~~~~~~~~~~\n");
}

TEST(LoadPolicy, ReadsItsOwnSourcesAgain) {
    const LoadResult first = load(files());
    ASSERT_TRUE(first.has_value());
    const LoadResult again = load(first->sources);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->policy, first->policy);
    EXPECT_EQ(again->sources, first->sources);
}

TEST(LoadPolicy, PrintsAsOneFileBesideItsLists) {
    const Policy policy = load(files())->policy;
    std::vector<Source> printed = files();
    printed[0].text = print_policy(policy);
    const LoadResult again = load(printed);
    ASSERT_TRUE(again.has_value()) << again.error().render();
    EXPECT_EQ(again->policy, policy);
}

TEST(LoadPolicy, ReadsTheStandardInput) {
    const LoadResult loaded =
        load({{"-", "version = 1\n[set.a]\nfile = \"a.txt\"\n"}, {"a.txt", "10.0.0.1"}}, "-");
    ASSERT_TRUE(loaded.has_value()) << loaded.error().render();
    EXPECT_EQ(loaded->policy.files, (std::vector<std::string>{"<stdin>", "a.txt"}));
    EXPECT_EQ(load_errors({{"-", "version = 2\n"}}, "-"),
              "<stdin>:1:11: error: version 2 is not known; this fwctl reads version 1\n"
              "   1 | version = 2\n"
              "     |           ^\n");
}

TEST(LoadPolicy, ShowsTheMistakesOfAllFiles) {
    std::vector<Source> broken = files();
    broken[0].text += "form = \"x\"\n[attach.wan]\n";
    broken[1].text += "[[rule]]\nname = \"listed\"\naction = \"deny\"\ninclude = \"x\"\n";
    broken[2].text =
        "include = \"deeper\"\nversion = 2\n[set.office]\nfile = \"none.txt\"\n[set.drop]\ndynamic = true\n"
        "[defaults]\nin = \"allow\"\n[attach.wan]\n";
    broken[6].text = "[[rule]\n";
    broken[7].text = "10.0.0.300\n";
    EXPECT_EQ(load_errors(broken), R"(etc/p.toml:14:1: error: unknown key "form"
  14 | form = "x"
     | ^~~~
  hint: did you mean "from"?
etc/policy.d/10-web.toml:6:8: error: another rule is called "listed", in etc/p.toml:11
   6 | name = "listed"
     |        ^~~~~~~~
etc/policy.d/10-web.toml:8:1: error: unknown key "include"
   8 | include = "x"
     | ^~~~~~~
  hint: include stands before the first [table] of the file
etc/policy.d/20-office.toml:1:1: error: only the policy's own file includes others
   1 | include = "deeper"
     | ^~~~~~~
etc/policy.d/20-office.toml:2:11: error: version 2 is not known; this fwctl reads version 1
   2 | version = 2
     |           ^
etc/policy.d/20-office.toml:4:8: error: cannot read etc/policy.d/none.txt: No such file or directory
   4 | file = "none.txt"
     |        ^~~~~~~~~~
etc/policy.d/20-office.toml:5:1: error: [set.drop] is there already, in etc/p.toml:7
   5 | [set.drop]
     | ^~~~~~~~~~
etc/policy.d/20-office.toml:7:1: error: [defaults] is there already, in etc/p.toml:4
   7 | [defaults]
     | ^~~~~~~~~~
etc/policy.d/20-office.toml:9:1: error: [attach.wan] is there already, in etc/p.toml:15
   9 | [attach.wan]
     | ^~~~~~~~~~~~
etc/more/05.toml:1:8: error: parsing table header: expected ']', saw '\n'
   1 | [[rule]
     |        ^
etc/lists/drop.txt:1:1: error: "10.0.0.300" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)
   1 | 10.0.0.300
     | ^~~~~~~~~~
)");
}

TEST(LoadPolicy, SaysWhatCannotBeRead) {
    EXPECT_EQ(load_errors({}), "etc/p.toml: error: cannot be read: No such file or directory\n");
    EXPECT_EQ(load_errors({{"etc/p.toml", "version = 1\ninclude = [\"d\", \"d/\", 5, \"\"]\n"}}),
              R"(etc/p.toml:2:17: error: "d" is included already
   2 | include = ["d", "d/", 5, ""]
     |                 ^~~~
etc/p.toml:2:23: error: "include" takes names of folders, not an integer
   2 | include = ["d", "d/", 5, ""]
     |                       ^
etc/p.toml:2:26: error: "include" takes names of folders, not an empty one
   2 | include = ["d", "d/", 5, ""]
     |                          ^~
)");
    const DiskReader disk;
    const LoadResult loaded = load_policy("/nonexistent/p.toml", disk);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().render(),
              "/nonexistent/p.toml: error: cannot be read: No such file or directory\n");
}

TEST(LoadPolicy, ReadsAListOnceForAllItsSets) {
    const LoadResult loaded =
        load({{"etc/p.toml", "version = 1\n[set.a]\nfile = \"l\"\n[set.b]\nfile = \"l\"\n"},
              {"etc/l", "10.0.0.1"}});
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->sources.size(), 2U);
    EXPECT_EQ(loaded->policy.find_set("a")->elements, loaded->policy.find_set("b")->elements);
    EXPECT_EQ(loaded->policy.find_set("b")->elements.size(), 1U);
}

// Texts that are nearly policies: each is one, or has mistakes that can be shown.
TEST(LoadPolicy, SurvivesMutations) {
    WholePolicy whole(8);
    std::mt19937 random(8);
    constexpr std::string_view kBytes = "[]{}\"'=,.#!@-_\n \t\\0a1\xc3\x00";
    int read = 0;
    for (int turn = 0; turn < 1500; ++turn) {
        std::string text = print_policy(whole.policy());
        for (auto left = random() % 4; left > 0; --left) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = kBytes[random() % kBytes.size()];
                    break;
                case 1:
                    text.erase(at, random() % 20);
                    break;
                default:
                    text.insert(at, text.substr(random() % text.size(), random() % 30));
            }
        }
        const LoadResult loaded = load({{"etc/p.toml", text}});
        if (loaded) {
            ++read;
            EXPECT_EQ(parse_policy(print_policy(loaded->policy), "again").value().rules.size(),
                      loaded->policy.rules.size());
        } else {
            EXPECT_FALSE(loaded.error().render().empty());
        }
    }
    EXPECT_GT(read, 300);
}

TEST(HasComments, LooksOutsideOfStrings) {
    EXPECT_TRUE(has_comments("version = 1 # one\n"));
    EXPECT_TRUE(has_comments("# first\nversion = 1\n"));
    EXPECT_TRUE(has_comments("a = \"x\\\"\" # y"));
    EXPECT_TRUE(has_comments("a = 'x\\' # y"));
    EXPECT_TRUE(has_comments("a = \"\" # y"));
    EXPECT_TRUE(has_comments("a = \"\"\"x\"\"\" # y"));
    EXPECT_FALSE(has_comments(""));
    EXPECT_FALSE(has_comments("a = \"# x\"\nb = '#'\n"));
    EXPECT_FALSE(has_comments("a = \"x\\\" # y\"\n"));
    EXPECT_FALSE(has_comments("a = \"\"\"x \" # \n # y\"\"\"\n"));
    EXPECT_FALSE(has_comments("a = '''x ' # \n # y'''\n"));
    EXPECT_FALSE(has_comments("a = \"unended # x"));
}

TEST(ParsePolicy, TakesNumbersOfFieldsWithAndWithoutQuotes) {
    const std::string start = "version = 1\n[[rule]]\nname = \"r\"\naction = \"deny\"\n";
    const auto plain = parse_policy(start + "sport = [53, \"1024-65535\"]\nttl = 64\nvlan = 7\n", "p.toml");
    const auto quoted =
        parse_policy(start + "sport = [\"53\", \"1024-65535\"]\nttl = \"64\"\nvlan = \"7\"\n", "p.toml");
    ASSERT_TRUE(plain && quoted);
    EXPECT_EQ(*plain, *quoted);
    const auto wrong = parse_policy(start + "ttl = 300\n", "p.toml");
    ASSERT_FALSE(wrong);
    EXPECT_NE(wrong.error().render().find("p.toml:5:7: error: "), std::string::npos)
        << wrong.error().render();
}

}  // namespace
}  // namespace fwctl::policy
