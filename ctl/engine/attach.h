// `fwctl attach`.
//
// Promises: all interfaces or none; nothing filters before the one store that enables all of them. Doing it
// again changes nothing; what has gone missing since (a device that was made anew, a program that someone
// took off) is put back.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/choose.h"
#include "engine/store.h"

namespace fwctl::engine {

struct AttachRequest {
    std::vector<std::string> interfaces;  // names; * and ? are wildcards
    WantedMode mode = WantedMode::kAuto;
    std::uint8_t hooks = 0;  // enum fw_hook; 0: what suits each interface
    bool replace = false;    // put ours in the place of another's XDP program
    bool isolate_peers = false;
};

enum class AttachChange { kAttached, kUnchanged, kRepaired, kUpdated };

struct AttachOutcome {
    std::string interface;
    AttachChange change = AttachChange::kAttached;
    std::string renamed_from;  // not empty: the name that the attachment, and rules, knew it by until now
};

Result<std::vector<AttachOutcome>> attach(const AttachRequest& request);

}  // namespace fwctl::engine
