// A policy while its files are being read, and what is remembered beside it until all of them are.
//
// Promises: what is there twice is reported once for each time but the first.
#pragma once

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
    std::vector<Mention> ban_sets = {};   // those of them that rules put addresses into
    std::vector<Mention> used_vips = {};  // that tests expect
    std::unordered_map<std::string, Place> claims = {};

    // Whether `what` is there for the first time; else reports `message` with the place of the first.
    bool claim(std::string what, const Place& place, std::string message);

    // Reports `message` at `place`, with the place of what was there first: "…, in line 3".
    void report_second(const Place& first, const Place& place, std::string message) const;
};

// What can be said when all is read: unknown sets and vips, routes that nobody asks, packets that
// two vips would balance. Sorts what has names.
Policy finish(Draft draft);

}  // namespace fwctl::policy
