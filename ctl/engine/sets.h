// The sets of the policy that holds, by name: what is in them, and live edits of the dynamic ones.
//
// Promises: an edit does not read the policy, and needs no other generation: it also works while a policy is
// on trial. One that is refused has changed nothing. Members outlive applying a policy that has a set of the
// same name.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/set_members.h"
#include "policy/model.h"

namespace fwctl::engine {

struct SetView {
    std::string name;
    std::string kind;  // "dynamic", "file", "elements"
    std::string file;
    std::size_t members = 0;
    // Of a dynamic set.
    std::uint64_t size = 0;
    std::chrono::seconds timeout{0};
    std::uint64_t banned = 0;    // members that rules have put in
    std::uint64_t replaced = 0;  // that gave way to others as the set was full
    std::uint64_t refused = 0;   // that found no room, or a bucket that was locked for too long
    std::uint64_t bytes = 0;     // of the kernel's memory
};

// In the order of their names.
Result<std::vector<SetView>> list_sets();

struct SetContents {
    SetView view;
    std::vector<Member> members;
};
Result<SetContents> show_set(const std::string& name);

enum class SetEdit { kAdd, kRemove, kReplace, kFlush };

struct SetRequest {
    SetEdit edit = SetEdit::kAdd;
    std::string set;
    std::vector<policy::Prefix> members;
    std::optional<std::chrono::seconds> lasts;  // nullopt: the set's timeout
    std::vector<std::chrono::seconds> times;    // of each member, instead; empty: `lasts` of all
    bool is_ban = false;                        // for the words of errors
    bool dry_run = false;
};

// A member that was to be taken out, and a block around it that has it still.
struct StillCovered {
    policy::Prefix member;
    policy::Prefix by;
};

struct SetOutcome {
    EditCounts counts;
    std::vector<StillCovered> covered;  // the first ones, of a removal
    std::chrono::seconds lasts{0};      // of members that were put in; 0: for ever
    std::uint64_t size = 0;             // of the set
    std::uint64_t blocks_limit = 0;     // of all dynamic sets together
};
Result<SetOutcome> edit_set(const SetRequest& request);

}  // namespace fwctl::engine
