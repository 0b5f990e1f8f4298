#include "base/diagnostic.h"

#include <limits>

#include <gtest/gtest.h>

namespace fwctl {
namespace {

TEST(Diagnostics, WithoutMistakesIsEmpty) {
    const Diagnostics diagnostics("policy.toml", "version = 1\n");
    EXPECT_TRUE(diagnostics.empty());
    EXPECT_EQ(diagnostics.render(), "");
}

TEST(Diagnostics, ShowsTheLineACaretAndAHint) {
    Diagnostics diagnostics("policy.toml", "version = 1\n[[rule]]\nform = \"x\"\n");
    diagnostics.error({3, 1, 4}, "unknown key \"form\"", "did you mean \"from\"?");
    EXPECT_EQ(diagnostics.render(),
              "policy.toml:3:1: error: unknown key \"form\"\n"
              "   3 | form = \"x\"\n"
              "     | ^~~~\n"
              "  hint: did you mean \"from\"?\n");
}

TEST(Diagnostics, LeavesOutTheHintThatIsNotThere) {
    Diagnostics diagnostics("f", "abc");
    diagnostics.error({1, 3, 0}, "no");
    EXPECT_EQ(diagnostics.render(),
              "f:1:3: error: no\n"
              "   1 | abc\n"
              "     |   ^\n");
}

TEST(Diagnostics, ComeInTheOrderOfTheText) {
    Diagnostics diagnostics("f", "one\ntwo\n");
    diagnostics.error({2, 1, 1}, "third");
    diagnostics.error({1, 2, 1}, "second");
    diagnostics.error({1, 1, 1}, "first");
    diagnostics.error({2, 1, 1}, "fourth");
    EXPECT_EQ(diagnostics.errors().size(), 4U);
    EXPECT_EQ(diagnostics.render(),
              "f:1:1: error: first\n   1 | one\n     | ^\n"
              "f:1:2: error: second\n   1 | one\n     |  ^\n"
              "f:2:1: error: third\n   2 | two\n     | ^\n"
              "f:2:1: error: fourth\n   2 | two\n     | ^\n");
}

TEST(Diagnostics, CutTheMarkToTheLine) {
    Diagnostics diagnostics("f", "abc\r\ndef");
    diagnostics.error({1, 2, std::numeric_limits<std::size_t>::max()}, "long");
    diagnostics.error({2, 9, 3}, "behind the end");
    EXPECT_EQ(diagnostics.render(),
              "f:1:2: error: long\n   1 | abc\n     |  ^~\n"
              "f:2:9: error: behind the end\n   2 | def\n     |    ^\n");
}

TEST(Diagnostics, OfAPlaceOutsideTheTextShowNoLine) {
    Diagnostics diagnostics("f", "");
    diagnostics.error({1, 1, 0}, "empty");
    diagnostics.error({7, 1, 0}, "beyond", "look elsewhere");
    EXPECT_EQ(diagnostics.render(),
              "f:1:1: error: empty\n"
              "f:7:1: error: beyond\n"
              "  hint: look elsewhere\n");
}

TEST(Diagnostics, CountCodePointsAndKeepTabs) {
    Diagnostics diagnostics("f", "\tname = \"müßig\" # x");
    diagnostics.error({1, 18, 1}, "x");
    EXPECT_EQ(diagnostics.render(),
              "f:1:18: error: x\n"
              "   1 | \tname = \"müßig\" # x\n"
              "     | \t                ^\n");
}

TEST(Diagnostics, KeepControlCharactersFromTheTerminal) {
    Diagnostics diagnostics("f", "a\x1b[31m\x7f");
    diagnostics.error({1, 1, 1}, "red \x1b[31m");
    EXPECT_EQ(diagnostics.render(), "f:1:1: error: red ?[31m\n   1 | a?[31m?\n     | ^\n");
}

TEST(Diagnostics, MakeRoomForLongLineNumbers) {
    Diagnostics diagnostics("f", std::string(123455, '\n') + "x");
    diagnostics.error({123456, 1, 1}, "far");
    EXPECT_EQ(diagnostics.render(), "f:123456:1: error: far\n123456 | x\n       | ^\n");
}

}  // namespace
}  // namespace fwctl
