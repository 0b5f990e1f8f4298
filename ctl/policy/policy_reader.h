// The tables of one file of a policy.
//
// Promises: every mistake is reported; only an error of TOML's own syntax ends the reading. Opens no file.
#pragma once

#include <cstddef>

#include "policy/draft.h"

namespace fwctl::policy {

// Reads a source of the diagnostics. The first is the policy itself, which says its version and may include
// folders.
void read_file(Draft& draft, std::size_t file);

}  // namespace fwctl::policy
