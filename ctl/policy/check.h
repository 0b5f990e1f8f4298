// What in a rule contradicts itself: keys that do not go with its action or its services, and parts that no
// packet can match together.
//
// Promises: a rule that is refused for its parts matches no packet, whatever the sets hold. Others may still
// match none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/model.h"

namespace fwctl::policy {

struct Contradiction {
    std::string_view key;  // the one that is wrong; empty: the rule as a whole
    std::string message;
};

// The first one of a canonical rule.
std::optional<Contradiction> find_contradiction(const Rule& rule);

}  // namespace fwctl::policy
