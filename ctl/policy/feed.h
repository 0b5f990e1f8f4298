// Plain lists of addresses, as they are published: one entry in a line, an address, a block or a range of
// either IP version. What follows a blank, ';' or '#' is for people; lines without an entry are passed over.
//
//     1.10.16.0/20 ; SBL256894
//
// Promises: a million lines take a small part of a second. Publishers are sloppy: bits behind a length are
// cut off, with one warning that says how many entries had any. Lines that are no entry are errors, of which
// the first twenty are shown.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/diagnostic.h"
#include "policy/model.h"

namespace fwctl::policy {

// Reads the source `file` of the diagnostics. The result is reduced (see prefix_list.h).
std::vector<Prefix> read_feed(Diagnostics& diagnostics, std::size_t file);

// The same as it stands there: in its order, with what covers others and what is there twice.
std::vector<Prefix> read_feed_lines(Diagnostics& diagnostics, std::size_t file);

// Lists whose lines say behind the address how long it is to stay, as `fwctl set show` prints them; a line
// without a time: for ever. What stands there and is no time is an error.
struct TimedPrefix {
    Prefix prefix;
    std::chrono::seconds lasts{0};  // 0: for ever
};
std::vector<TimedPrefix> read_timed_feed_lines(Diagnostics& diagnostics, std::size_t file);

}  // namespace fwctl::policy
