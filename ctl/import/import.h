// Policies from what other tools of Linux print: iptables-save and ip6tables-save, nft list ruleset (as text
// or with -j), ipset save.
//
// Promises: what is translated means exactly what it meant; what cannot be is a comment at its place, with
// the reason. Where the whole means something else than the original, because something is left out or
// because fwctl looks at packets elsewhere, the comment at the top says so. The text is a policy that can be
// checked.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::importer {

struct Imported {
    std::string toml;
    std::size_t translated = 0;  // rules, or lines of ipset
    std::size_t left_out = 0;
};

struct Options {
    // Of the rules. Absent: what wrote the file tells, by its first line or by its addresses.
    std::optional<policy::Family> family;
};

// `file_name` is what the text is called in comments and errors. An error when the text is of another kind,
// as "FILE:LINE:COLUMN: …".
Result<Imported> import_iptables(std::string_view text, std::string_view file_name, const Options& options);
Result<Imported> import_nft(std::string_view text, std::string_view file_name);
Result<Imported> import_ipset(std::string_view text, std::string_view file_name);

}  // namespace fwctl::importer
