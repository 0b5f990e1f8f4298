// What is wrong, or worth a note, with what runs: what `fwctl doctor` and the page say of it.
//
// Promises: pure functions. A finding says what to do about it, where something can be done.
#pragma once

#include <string>
#include <vector>

#include "engine/status.h"

namespace fwctl::engine {

struct Finding {
    bool is_bad = false;  // else a note
    std::string text;
};

// Of attachments, of announced addresses, and of the ways to backends.
std::vector<Finding> findings_of(const Overview& overview);

}  // namespace fwctl::engine
