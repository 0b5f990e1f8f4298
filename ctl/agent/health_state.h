// Whether a target is up, from what its checks have found, one after the other.
//
// Promises: pure. The first result decides at once, so that nobody waits `rise` checks for a backend that
// serves when the agent begins. From then on it takes `rise` good ones in a row to come up and `fall` bad
// ones in a row to go down; a result of the other sort begins the row anew.
#pragma once

#include <cstdint>

#include "policy/model.h"

namespace fwctl::agent {

enum class Condition : std::uint8_t { kUnknown, kUp, kDown };

class HealthState {
public:
    // Whether the condition has changed by it. Of `health`, `rise` and `fall` count as they are now.
    bool note(bool good, const policy::Health& health);

    [[nodiscard]] Condition condition() const { return condition_; }

private:
    Condition condition_ = Condition::kUnknown;
    std::uint32_t row_ = 0;  // results in a row that speak against the condition
};

}  // namespace fwctl::agent
