// All that is counted in a network namespace, as metrics of Prometheus: docs/metrics.md lists them.
//
// Promises: no lock is taken and nothing is changed, so that asking keeps no command waiting. A counter never
// goes back while what it counts is there: `counters --reset` sets a mark for those who look, not for this.
// Of the policy's rules the first kRulesTold are told each, the others as their sum, so that a policy of a
// million rules does not make a million lines.
#pragma once

#include <cstddef>
#include <memory>

#include "base/result.h"
#include "observe/counts.h"
#include "observe/exposition.h"

namespace fwctl::observe {

// What the rules count that have no line of their own, together. It never falls: of the rules that another
// policy brings along, or does away with, only what is counted from then on is added.
class OtherRules {
public:
    // `sum`: what these rules have counted so far.
    void add(const std::shared_ptr<const NamedRules>& rules, const fw_count& sum);
    [[nodiscard]] const fw_count& total() const { return total_; }

private:
    std::shared_ptr<const NamedRules> rules_;
    fw_count last_{};
    fw_count total_{};
};

class Metrics {
public:
    static constexpr std::size_t kRulesTold = 1000;

    // Where nothing is attached, that is what is told.
    Status tell(Exposition& text);

private:
    CountReader reader_;
    OtherRules others_;
};

}  // namespace fwctl::observe
