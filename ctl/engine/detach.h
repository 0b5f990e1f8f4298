// `fwctl detach`.
//
// Promises: one store ends the filtering on all of the interfaces at once; then the programs, links, qdiscs
// and pins go. With the last attachment the live rules and the applied policy go, too, and the addresses that
// it announces: nothing is left in the kernel. The first network namespace keeps its history.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace fwctl::engine {

struct DetachOutcome {
    std::vector<std::string> interfaces;
    std::vector<std::string>
        forgotten_rules;  // the words of the live rules that went with the last attachment
    std::vector<std::string> forgotten_edits;  // of vips, likewise: "web/web1: state drain"
    std::size_t forgotten_policy = 0;          // how many rules of the applied policy went with it
};

// `interfaces`: names, * and ? are wildcards; empty: all. A bridge takes the ports with it that
// --isolate-peers brought.
Result<DetachOutcome> detach(const std::vector<std::string>& interfaces);

}  // namespace fwctl::engine
