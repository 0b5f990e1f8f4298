#include "policy/difference.h"

#include <gtest/gtest.h>

#include "policy/prefix.h"

namespace fwctl::policy {
namespace {

using Lines = std::vector<std::string>;

Set dynamic(const char* name) {
    Set set;
    set.name = name;
    set.dynamic = true;
    return set;
}

Set fixed(const char* name, const std::vector<const char*>& elements) {
    Set set;
    set.name = name;
    for (const char* element : elements) set.elements.push_back(parse_prefix(element).value());
    return set;
}

Policy of(std::vector<Set> sets) {
    Policy policy;
    policy.sets = std::move(sets);
    return policy;
}

TEST(DifferenceTest, SaysWhatBecomesOfTheMembersOfSets) {
    const Policy before =
        of({dynamic("banned"), dynamic("one"), dynamic("none"), fixed("listed", {"192.0.2.1"})});
    const Policy after = of({fixed("banned", {"1.2.3.4"}), dynamic("listed")});
    EXPECT_EQ(difference(before, after, {{"banned", 320}, {"one", 1}, {"none", 0}}),
              (Lines{"- set one: filled live, its member is lost", "- set none: filled live",
                     "~ set banned: no longer filled live, its 320 members are lost: +1 -0",
                     "~ set listed: filled live from now on: +0 -1"}));
    EXPECT_EQ(difference(before, before), Lines{});
}

TEST(DifferenceTest, SaysHowSettingsOfSetsChange) {
    Set small = dynamic("banned");
    small.size = 1000;
    Set timed = dynamic("banned");
    timed.timeout = std::chrono::minutes(10);
    EXPECT_EQ(difference(of({small}), of({timed})),
              Lines{"~ set banned: size 1000 -> 65536, timeout for ever -> 10m"});
    EXPECT_EQ(difference(of({timed}), of({dynamic("banned")})),
              Lines{"~ set banned: timeout 10m -> for ever"});
}

TEST(DifferenceTest, CountsElements) {
    EXPECT_EQ(difference(of({fixed("a", {"192.0.2.1", "192.0.2.3"})}),
                         of({fixed("a", {"192.0.2.2", "192.0.2.3"})})),
              Lines{"~ set a: +1 -1"});
}

}  // namespace
}  // namespace fwctl::policy
