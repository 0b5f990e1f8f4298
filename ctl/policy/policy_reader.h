// The tables of the files of one policy into one Policy.
//
// Promises: all mistakes of all files are reported; only an error of TOML's own syntax ends the reading of a
// file. The order of the files is the order of their rules. Opens no file.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/diagnostic.h"
#include "policy/model.h"

namespace fwctl::policy {

// A word and the place where it stands.
struct Mention {
    std::string word;
    Place place;
};

// What the files have said so far.
struct Draft {
    Diagnostics& diagnostics;
    Origin origin = Origin::kFile;  // of the rules; kLive: a text that stands alone, whose sets are elsewhere
    Policy policy = {};
    std::vector<Mention> includes = {};   // folders, as written
    std::vector<Mention> set_files = {};  // as written, in the order of policy.sets
    std::vector<Mention> used_sets = {};
    std::unordered_map<std::string, Place> claims = {};  // what must not be there twice
};

// Reads a source of the diagnostics. The first is the policy itself, which says its version and may include
// folders.
void read_file(Draft& draft, std::size_t file);

// What can be said when all is read: unknown sets, routes that nobody asks. Sorts what has names.
Policy finish(Draft draft);

}  // namespace fwctl::policy
