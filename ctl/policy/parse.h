// A policy from its TOML text: `version = 1` and any number of [[rule]], with the keys of schema.h.
//
// Promises: all mistakes of a text are reported at once, each at its place; only an error of TOML's own
// syntax ends the reading. Nothing is guessed: unknown keys, empty lists and rules that can never match are
// errors. Every rule of the result is canonical, has a name of its own that no built-in rule has, origin
// kLive and no expiry (which is state, not text).
#pragma once

#include <string_view>

#include <tl/expected.hpp>

#include "base/diagnostic.h"
#include "policy/model.h"

namespace fwctl::policy {

using ParseResult = tl::expected<Policy, Diagnostics>;

// `file_name` is what the diagnostics call the text; no file is opened.
ParseResult parse_policy(std::string_view text, std::string_view file_name);

}  // namespace fwctl::policy
