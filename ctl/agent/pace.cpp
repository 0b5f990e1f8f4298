#include "agent/pace.h"

#include <algorithm>

namespace fwctl::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

nanoseconds share(milliseconds every, double part) {
    return nanoseconds(static_cast<std::int64_t>(static_cast<double>(nanoseconds(every).count()) * part));
}

}  // namespace

Time Pace::first(Time now, milliseconds every) {
    return now + share(every, std::uniform_real_distribution<>(0.0, 1.0)(random_));
}

Time Pace::next(Time began, Time now, milliseconds every) {
    return std::max(now, began + share(every, std::uniform_real_distribution<>(0.9, 1.1)(random_)));
}

}  // namespace fwctl::agent
