#include "base/diagnostic.h"

#include <limits>

#include <gtest/gtest.h>

namespace fwctl {
namespace {

TEST(Diagnostics, WithoutMistakesIsEmpty) {
    const Diagnostics diagnostics({Source{"policy.toml", "version = 1\n"}});
    EXPECT_TRUE(diagnostics.empty());
    EXPECT_EQ(diagnostics.render(), "");
}

TEST(Diagnostics, ShowsTheLineACaretAndAHint) {
    Diagnostics diagnostics({Source{"policy.toml", "version = 1\n[[rule]]\nform = \"x\"\n"}});
    diagnostics.error(0, {3, 1, 4}, "unknown key \"form\"", "did you mean \"from\"?");
    EXPECT_EQ(diagnostics.render(),
              "policy.toml:3:1: error: unknown key \"form\"\n"
              "   3 | form = \"x\"\n"
              "     | ^~~~\n"
              "  hint: did you mean \"from\"?\n");
}

TEST(Diagnostics, LeavesOutTheHintThatIsNotThere) {
    Diagnostics diagnostics({Source{"f", "abc"}});
    diagnostics.error(0, {1, 3, 0}, "no");
    EXPECT_EQ(diagnostics.render(),
              "f:1:3: error: no\n"
              "   1 | abc\n"
              "     |   ^\n");
}

TEST(Diagnostics, ComeInTheOrderOfTheText) {
    Diagnostics diagnostics({Source{"f", "one\ntwo\n"}});
    diagnostics.error(0, {2, 1, 1}, "third");
    diagnostics.error(0, {1, 2, 1}, "second");
    diagnostics.error(0, {1, 1, 1}, "first");
    diagnostics.error(0, {2, 1, 1}, "fourth");
    EXPECT_EQ(diagnostics.errors(), 4U);
    EXPECT_EQ(diagnostics.render(),
              "f:1:1: error: first\n   1 | one\n     | ^\n"
              "f:1:2: error: second\n   1 | one\n     |  ^\n"
              "f:2:1: error: third\n   2 | two\n     | ^\n"
              "f:2:1: error: fourth\n   2 | two\n     | ^\n");
}

TEST(Diagnostics, CutTheMarkToTheLine) {
    Diagnostics diagnostics({Source{"f", "abc\r\ndef"}});
    diagnostics.error(0, {1, 2, std::numeric_limits<std::size_t>::max()}, "long");
    diagnostics.error(0, {2, 9, 3}, "behind the end");
    EXPECT_EQ(diagnostics.render(),
              "f:1:2: error: long\n   1 | abc\n     |  ^~\n"
              "f:2:9: error: behind the end\n   2 | def\n     |    ^\n");
}

TEST(Diagnostics, OfAPlaceOutsideTheTextShowNoLine) {
    Diagnostics diagnostics({Source{"f", ""}});
    diagnostics.error(0, {1, 1, 0}, "empty");
    diagnostics.error(0, {7, 1, 0}, "beyond", "look elsewhere");
    EXPECT_EQ(diagnostics.render(),
              "f:1:1: error: empty\n"
              "f:7:1: error: beyond\n"
              "  hint: look elsewhere\n");
}

TEST(Diagnostics, CountCodePointsAndKeepTabs) {
    Diagnostics diagnostics({Source{"f", "\tname = \"müßig\" # x"}});
    diagnostics.error(0, {1, 18, 1}, "x");
    EXPECT_EQ(diagnostics.render(),
              "f:1:18: error: x\n"
              "   1 | \tname = \"müßig\" # x\n"
              "     | \t                ^\n");
}

TEST(Diagnostics, KeepControlCharactersFromTheTerminal) {
    Diagnostics diagnostics({Source{"f", "a\x1b[31m\x7f"}});
    diagnostics.error(0, {1, 1, 1}, "red \x1b[31m");
    EXPECT_EQ(diagnostics.render(), "f:1:1: error: red ?[31m\n   1 | a?[31m?\n     | ^\n");
}

TEST(Diagnostics, MakeRoomForLongLineNumbers) {
    Diagnostics diagnostics({Source{"f", std::string(123455, '\n') + "x"}});
    diagnostics.error(0, {123456, 1, 1}, "far");
    EXPECT_EQ(diagnostics.render(), "f:123456:1: error: far\n123456 | x\n       | ^\n");
}

TEST(Diagnostics, ComeInTheOrderOfTheFiles) {
    Diagnostics diagnostics({Source{"-", "one\n"}});
    const std::size_t other = diagnostics.add_source({"b.toml", "two\n"});
    diagnostics.warning(other, {1, 1, 3}, "second");
    diagnostics.warning(0, {1, 1, 3}, "first");
    EXPECT_EQ(diagnostics.errors(), 0U);
    EXPECT_FALSE(diagnostics.empty());
    diagnostics.error(other, {0, 1, 0}, "the whole file");
    EXPECT_EQ(diagnostics.errors(), 1U);
    EXPECT_EQ(diagnostics.all().size(), 3U);
    EXPECT_EQ(diagnostics.file_name(0), "<stdin>");
    EXPECT_EQ(diagnostics.render(),
              "<stdin>:1:1: warning: first\n   1 | one\n     | ^~~\n"
              "b.toml: error: the whole file\n"
              "b.toml:1:1: warning: second\n   1 | two\n     | ^~~\n");
}

TEST(Diagnostics, DoNotShowLinesThatNobodyReads) {
    Diagnostics diagnostics({Source{"f", std::string(1001, 'x') + "\ny\n"}});
    diagnostics.error(0, {1, 900, 1}, "far right");
    diagnostics.error(0, {2, 1, 1}, "next");
    EXPECT_EQ(diagnostics.render(), "f:1:900: error: far right\nf:2:1: error: next\n   2 | y\n     | ^\n");
}

}  // namespace
}  // namespace fwctl
