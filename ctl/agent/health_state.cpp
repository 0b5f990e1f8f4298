#include "agent/health_state.h"

namespace fwctl::agent {

bool HealthState::note(bool good, const policy::Health& health) {
    const Condition found = good ? Condition::kUp : Condition::kDown;
    if (found == condition_) {
        row_ = 0;
        return false;
    }
    ++row_;
    if (condition_ != Condition::kUnknown && row_ < (good ? health.rise : health.fall)) return false;
    condition_ = found;
    row_ = 0;
    return true;
}

}  // namespace fwctl::agent
