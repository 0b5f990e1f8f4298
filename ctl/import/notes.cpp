#include "import/notes.h"

#include <fmt/format.h>

namespace fwctl::importer {

std::vector<std::string> notes_on(const Differences& differences) {
    std::vector<std::string> notes;
    if (differences.is_of_host) {
        notes.emplace_back(
            "The original judges what this host itself receives and sends. fwctl asks these rules of all "
            "that "
            "comes in or goes out by an interface that it is attached to, also of what is only forwarded.");
    }
    if (differences.leaves_forward) {
        notes.emplace_back(
            "What the original says of forwarded packets is left out, policies of its chains too: they meet "
            "the rules for `in` where they come in and those for `out` where they go out.");
    }
    if (differences.is_whole) {
        notes.emplace_back(
            differences.follows
                ? "The original sees datagrams whole. fwctl sees their fragments: those behind the first "
                  "have its ports and state, but no TCP flags set, when it was let pass before them, else "
                  "they are `untracked` and match no rule on ports."
                : "The original sees datagrams whole. fwctl sees their fragments, and those behind the first "
                  "match no rule on ports, flags or ICMP types.");
    }
    if (differences.follows) {
        notes.emplace_back(
            "fwctl follows flows itself, from when this policy is applied and by what attached interfaces "
            "see: a connection that is older is `new` with its next packet. docs/conntrack.md says where "
            "states differ.");
    }
    notes.emplace_back(
        "fwctl's built-in rules are asked before these: ARP, neighbour discovery, essential ICMP and answers "
        "of DHCP servers pass, malformed packets do not.");
    if (differences.has_ip != differences.has_ip6) {
        notes.push_back(fmt::format("This is about IPv{} alone: IPv{} passes{}.", differences.has_ip ? 4 : 6,
                                    differences.has_ip ? 6 : 4, differences.other_version));
    }
    return notes;
}

}  // namespace fwctl::importer
