// What runs where: the picture that `fwctl status`, `counters` and `doctor` show.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/announce.h"
#include "engine/hooks.h"
#include "engine/service_health.h"
#include "engine/store.h"
#include "engine/ways.h"
#include "net/interface.h"

namespace fwctl::engine {

struct AttachmentStatus {
    Attachment attachment;
    std::optional<net::Interface> interface;  // absent: gone
    std::vector<HookState> hooks;
    std::array<fw_counters, FW_DIRECTIONS> counters{};
    std::string broken;                 // why it does not protect what it should; empty: it does
    std::vector<std::string> warnings;  // traffic that it cannot see

    // Whether one of the patterns is its name, or the one that its device has now; no patterns: yes.
    [[nodiscard]] bool is_one_of(const std::vector<std::string>& patterns) const;
    // What judges packets of that direction; nullptr: nothing, or it is not there although it should be
    // (hook_for()).
    [[nodiscard]] const HookState* judge_of(fw_direction direction) const;
};

struct TroubledService {
    std::string name;
    ServiceHealth health = ServiceHealth::kNormal;
    std::vector<std::string> failing;  // backends
};

// Of one network namespace.
struct Overview {
    std::uint64_t generation = 0;
    std::vector<AttachmentStatus> attachments;
    std::size_t live_rules = 0;
    std::size_t policy_rules = 0;
    std::string policy;             // the file that was applied; empty: none was
    std::string snapshot;           // what that policy is kept under; two that say the same have the same one
    std::vector<policy::Vip> vips;  // as they are, live edits included
    policy::Defaults defaults;
    std::optional<std::chrono::seconds> trial;         // what is left of it
    std::size_t leftovers = 0;                         // attachments of commands that did not finish
    std::size_t checked = 0;                           // services with a health check
    std::vector<TroubledService> troubled;             // those of which a backend fails
    std::vector<Absence> unanswered;                   // what services announce and nobody answers for
    std::vector<Announced> unattached;                 // what they announce where no packet is looked at
    std::vector<Way> lost_ways;                        // that begin at no address of this host any more
    std::map<std::uint32_t, std::uint64_t> listeners;  // to events, by slot: how many each has lost

    [[nodiscard]] bool any_broken() const;
};

// nullopt: nothing is attached in this network namespace.
Result<std::optional<Overview>> read_status();
// The same without the lock, for a process that looks again and again: while a command is at work, it may see
// what that has attached and not enabled yet.
Result<std::optional<Overview>> peek_status();

}  // namespace fwctl::engine
