// The policy that is running, read back from its snapshot.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/library.h"
#include "engine/store.h"
#include "policy/parse.h"

namespace fwctl::engine {

// Reads a snapshot as the policy that it was; nothing on the disk but the library is looked at.
Result<policy::Loaded> load_snapshot(const Library& library, const std::string& snapshot);

// The policy of a line of the history; 0: the one before the last.
Result<policy::Loaded> load_applied(const Library& library, std::uint64_t number);
// The policy that was applied last, by the history: what a boot puts back.
Result<policy::Loaded> load_last_applied(const Library& library);

// The applied policy; without one an empty policy.
Result<policy::Loaded> load_running(const Library& library, const MainTier& main);

// What holds, as if one file said it: a policy with the live rules in front of its own and with the vips as
// they are.
policy::Policy with_live_edits(policy::Policy policy, const std::vector<CountedRule>& live,
                               const std::vector<policy::Vip>& vips);

// The counters of the rules of a policy that is running, by name.
Result<std::map<std::string, std::uint32_t>> counters_by_name(const Store& store, const MainTier& main,
                                                              const policy::Policy& running);

// What becomes of live edits when a policy is applied.
struct SettledEdits {
    std::vector<std::string> kept;
    std::vector<std::string> absorbed;   // the policy says the same now
    std::vector<std::string> overruled;  // it says something else than the one before
    std::vector<std::string> discarded;
};

struct SettledLive {
    SettledEdits rules;  // by their names; none is overruled
    SettledEdits vips;   // "web/web1: state drain"
};

// Makes `state` one that `policy` is applied to, in the place of `running`: live rules and live edits of vips
// stay, but for those that the policy has taken in or overrules, and what stands in front of its rules is the
// policy's. Errors: a live rule has the name of a rule of the policy that says something else, or names a set
// that there is not; vips with their live edits cannot be together.
Result<SettledLive> settle_live(State& state, const policy::Policy& running, const policy::Policy& policy,
                                bool discard_live);

// Makes state.front.sets the ones that live rules and the lock-out guard name: those of `policy` with their
// elements. An error with Exit::kUsage when a live rule names a set that there is not.
Status choose_front_sets(State& state, const policy::Policy& policy);

}  // namespace fwctl::engine
