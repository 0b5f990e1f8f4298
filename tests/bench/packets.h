// The rows of the data plane.
//
// Promises: a row whose actions are not those of the oracle is an error, not a figure.
#pragma once

#include "base/result.h"
#include "driver.h"
#include "measure.h"
#include "peers.h"
#include "report.h"
#include "scenario.h"
#include "subject.h"

namespace fwctl::bench {

struct Laboratory {
    Subject subject;
    Peers peers;
    Driver driver;
    Effort effort;
    Measurements measurements;
    std::size_t round = 0;

    // Answers are compared in the first round, figures told of in the last.
    [[nodiscard]] bool is_first() const { return round == 0; }
    [[nodiscard]] bool is_last() const { return round + 1 == effort.rounds; }
};

// One round of a row, as of the others' rows.
Status measure_packets(Laboratory& laboratory, const Scenario& scenario, Report& report);

}  // namespace fwctl::bench
