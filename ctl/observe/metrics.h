// All that is counted in a network namespace, as metrics of Prometheus: docs/metrics.md lists them.
//
// Promises: no lock is taken and nothing is changed, so that asking keeps no command waiting. A counter never
// goes back while what it counts is there: `counters --reset` sets a mark for those who look, not for this.
// Of the policy's rules the first kRulesTold are told each, the others as their sum, so that a policy of a
// million rules does not make a million lines.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "observe/counts.h"
#include "observe/exposition.h"

namespace fwctl::observe {

class Metrics {
public:
    static constexpr std::size_t kRulesTold = 1000;

    // Where nothing is attached, that is what is told.
    Status tell(Exposition& text);

private:
    CountReader reader_;
};

}  // namespace fwctl::observe
