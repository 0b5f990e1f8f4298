// A translated ruleset as the text of a policy: what it is, where it differs from the original, its rules,
// and in comments at their places the rules that it lacks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "import/flatten.h"
#include "import/notes.h"
#include "policy/model.h"

namespace fwctl::importer {

// A set with what is to be said about it. One without a name is a comment alone.
struct ImportedSet {
    policy::Set set;
    std::vector<std::string> comments;
};

struct Report {
    std::string source;                 // what wrote the original: "iptables-save"
    std::string file_name;              // what the original is called
    std::vector<std::string> warnings;  // what has to be done before, in sentences
    Differences differences;            // but for `follows`, which the rules say
    std::vector<ImportedSet> sets;
};

std::string write_report(const Report& report, const Flat& flat);

// The part of a policy's text for one set.
std::string write_set(const ImportedSet& set);

// The lines of a comment around these words, none longer than those of a page.
std::string write_comment(std::string_view words);

}  // namespace fwctl::importer
