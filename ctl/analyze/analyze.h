// What `fwctl check` finds in a policy that is well written but perhaps not meant: pure reasoning, no packet.
//
// The rules are those of effective_rules() without live ones and without those that the parser enforces: the
// lockout guard, the built-in ones that the policy does not disable, its own. `terminal` rules are those that
// decide: allow, deny, reject, redirect.
//
// Found are:
//   - rules that can never match, because terminal rules before them together match all that they match, or
//     because there is no such packet. Rules that expire cover nothing; rules on dynamic sets cover what does
//     not depend on who is in the set. Exact for the packets of space.h;
//   - terminal rules that change nothing: whatever reaches them gets the same verdict from the rules behind
//     or from the default, no count or log rule behind would see it and no service balance it. Never said
//     wrongly; may be missed only where the analysis is cut short;
//   - sets that neither a rule nor the lockout names;
//   - rules that hold for IPv4 alone where IPv6 seems forgotten (ipv6.h);
//   - that the analysis was cut short: some questions are too hard to be answered in a bounded number of
//     steps. The rules concerned are not judged, and counted in one finding at the end.
//
// Promises: a pure function, the same findings on every machine, each at most once for a rule; built-in rules
// are judged by nobody. All findings are warnings: the policy does what it says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "policy/model.h"

namespace fwctl::analyze {

struct Finding {
    enum class Kind : std::uint8_t {
        kNeverMatches,
        kChangesNothing,
        kIpv4Only,
        kUnusedSet,
        kCutShort,
    };
    Kind kind = Kind::kNeverMatches;
    std::size_t index = 0;  // of Policy::sets for kUnusedSet, else of the rules in the order above
    policy::Place place;
    std::string message;  // one sentence, without the place
    // Rules that make it so: those that cover it, that give the same verdict behind it.
    // Each is needed, unless there are more than a few dozen. As `index`.
    std::vector<std::size_t> others;
};

// Some seconds of work; see Work in cover.h.
inline constexpr std::uint64_t kAnalysisSteps = 50'000'000;

// By rule, then by set; what was cut short comes last.
std::vector<Finding> analyze(const policy::Policy& policy, std::uint64_t steps = kAnalysisSteps);

}  // namespace fwctl::analyze
