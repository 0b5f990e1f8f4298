// docs/reasons.md is the list in include/fwctl/abi/reason.h, as a table.
#include "fwctl/abi/reason.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace {

struct Reason {
    fw_verdict verdict;
    std::string name;
    std::string text;
};

constexpr const char* kVerdicts[] = {"pass", "drop", "redirect"};

const Reason kReasons[] = {
#define X(id, verdict, name, text) {verdict, name, text},
    FW_REASONS(X)
#undef X
};

TEST(ReasonTest, TheDocumentListsThemAll) {
    std::string table = "| reason | verdict | meaning |\n|---|---|---|\n";
    for (const Reason& reason : kReasons)
        table += "| `" + reason.name + "` | " + kVerdicts[reason.verdict] + " | " + reason.text + " |\n";
    std::ifstream file(FWCTL_SOURCE_DIR "/docs/reasons.md");
    const std::string document{std::istreambuf_iterator<char>(file), {}};
    EXPECT_NE(document.find(table), std::string::npos) << "docs/reasons.md should hold:\n\n" << table;
}

TEST(ReasonTest, NamesAreUnique) {
    std::set<std::string> names;
    for (const Reason& reason : kReasons) EXPECT_TRUE(names.insert(reason.name).second) << reason.name;
}

}  // namespace
