// A policy from its TOML text: what may stand in it is in schema.h, what it means in docs/policy.md.
//
// Promises: all mistakes of all files are reported at once, each at its place; only an error of TOML's own
// syntax ends the reading of a file. Nothing is guessed: unknown keys, empty lists and rules that can never
// match are errors. Every rule of the result is canonical, has a name of its own that no built-in rule has,
// and no expiry (which is state, not text).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/diagnostic.h"
#include "policy/file_reader.h"
#include "policy/model.h"

namespace fwctl::policy {

struct Loaded {
    Policy policy;
    std::vector<Source> sources;  // all that was read, by the index that Place has
    Diagnostics warnings;
};
using LoadResult = tl::expected<Loaded, Diagnostics>;

// The policy at `path` ("-": the standard input) with the folders that it includes and the files of its sets.
// The rules of `path` come first, then those of the folders' files *.toml in the order of their names. Its
// rules are of Origin::kFile.
LoadResult load_policy(const std::string& path, const FileReader& reader);

using ParseResult = tl::expected<Policy, Diagnostics>;

// A text that stands alone, as the live rules do: it includes nothing, and the sets that its rules name may
// be elsewhere. Its rules are of Origin::kLive. `file_name` is what the diagnostics call it.
ParseResult parse_policy(std::string_view text, std::string_view file_name);

// Whether the TOML text has comments, which printing it again would lose.
bool has_comments(std::string_view text);

}  // namespace fwctl::policy
