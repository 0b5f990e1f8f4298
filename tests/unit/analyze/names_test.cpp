#include "analyze/names.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "generate/random.h"
#include "policy/rule.h"

namespace fwctl::analyze {
namespace {

using namespace policy;

using generate::Random;

// The sets of patterns that match together, a bit for each.
using Classes = std::set<std::vector<bool>>;

Classes found(const std::vector<std::string>& patterns, const std::vector<Attach>& attachments = {}) {
    Rule rule;
    rule.on = patterns;
    const auto names = name_classes({&rule}, attachments).value();
    Classes classes;
    for (std::size_t i = 0; i < names.count; ++i) {
        std::vector<bool> matched;
        for (const std::string& pattern : patterns) {
            matched.push_back(names.of_pattern.at(pattern).contains(i));
        }
        classes.insert(matched);
    }
    return classes;
}

std::vector<bool> matched(const std::vector<std::string>& patterns, const std::vector<std::string>& carried) {
    std::vector<bool> matched;
    for (const std::string& pattern : patterns) {
        bool any = false;
        for (const std::string& name : carried) {
            any |= interface_matches(pattern, name);
        }
        matched.push_back(any);
    }
    return matched;
}

// All words of up to that many of the letters.
std::vector<std::string> words(const std::string& letters, std::size_t longest) {
    std::vector<std::string> words = {""};
    for (std::size_t i = 0; i < words.size(); ++i) {
        for (const char letter : words[i].size() < longest ? letters : "") {
            words.push_back(words[i] + letter);
        }
    }
    words.erase(words.begin());
    return words;
}

TEST(NameClasses, TellsPatternsApartAsNamesDo) {
    // A pattern of up to four letters and signs that matches a name at all matches one of up to six, and so
    // do two and three of them together.
    const auto names = words("abx", 8);
    const auto patterns = words("ab?*", 4);
    Random random(1);
    for (int i = 0; i < 60; ++i) {
        std::vector<std::string> some;
        for (std::uint64_t j = random.between(1, 3); j > 0; --j) {
            some.push_back(random.pick(patterns));
        }
        Classes expected;
        for (const std::string& name : names) {
            expected.insert(matched(some, {name}));
        }
        ASSERT_EQ(found(some), expected) << some.front() << " " << some.back();
    }
}

TEST(NameClasses, NamesHaveFifteenLettersAtMost) {
    EXPECT_EQ(found({"a??????????????", "?*b"}).count({true, true}), 1U);
    EXPECT_EQ(found({"a??????????????", "??????????????b"}).count({true, true}), 1U);
    EXPECT_EQ(found({"aaaaaaaaaaaaaaa*", "aaaaaaaaaaaaaaa"}).count({true, false}), 0U);
}

TEST(NameClasses, APacketCarriesTheNamesOfDeviceAndAttachment) {
    Attach wan;
    wan.name = "wan";
    wan.device = "eth*";
    const std::vector<std::string> patterns = {"wan", "eth0", "eth1", "docker0"};
    const Classes expected = {matched(patterns, {"wan"}),         matched(patterns, {"eth0"}),
                              matched(patterns, {"eth1"}),        matched(patterns, {"docker0"}),
                              matched(patterns, {"other"}),       matched(patterns, {"wan", "eth0"}),
                              matched(patterns, {"wan", "eth1"}), matched(patterns, {"wan", "eth2"})};
    EXPECT_EQ(found(patterns, {wan}), expected);
}

TEST(NameClasses, ThousandsOfNamesAreNoTrouble) {
    std::vector<std::string> names = {"veth*"};
    for (int i = 0; i < 3000; ++i) {
        names.push_back("veth" + std::to_string(i));
    }
    Rule rule;
    rule.on = names;
    EXPECT_EQ(name_classes({&rule}, {})->count, 3002U);
}

TEST(NameClasses, GivesUpOnWhatIsTooEntangled) {
    std::vector<std::string> patterns;
    for (const char letter : std::string("abcdefghijklmn")) {
        patterns.push_back(std::string("*") + letter + "*");
    }
    Rule rule;
    rule.on = patterns;
    EXPECT_FALSE(name_classes({&rule}, {}).has_value());
}

}  // namespace
}  // namespace fwctl::analyze
