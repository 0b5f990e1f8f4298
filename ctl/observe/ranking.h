// What `fwctl top` shows of two pictures of the counters: a table, the biggest first.
//
// Promises: pure functions. Text is as the policy has it: whoever prints it makes it printable.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "engine/talkers.h"
#include "observe/counts.h"
#include "observe/rates.h"

namespace fwctl::observe {

enum class View { kRules, kReasons, kTalkers, kServices, kSets };
enum class SortBy { kPackets, kBytes, kTotal, kName };

struct Column {
    std::string key;  // "packets_per_second"
    std::string title;
};
// A name, a number, or how many per second.
using Cell = std::variant<std::string, std::uint64_t, double>;

struct Row {
    std::vector<Cell> cells;
    // What it is sorted by; of sets these are members put in, members refused and members.
    double packets = 0;
    double bytes = 0;
    std::uint64_t total = 0;
    std::string name;
};

// Who has sent most within some time; of every other view there are none.
struct TalkerRates {
    engine::TalkerList list;
    double seconds = 0;
    [[nodiscard]] double per_second(std::uint64_t count) const {
        return seconds > 0 ? static_cast<double>(count) / seconds : 0;
    }
};

struct Ranking {
    std::vector<Column> columns;  // numbers first, names last
    std::vector<Row> rows;
};

// Rules and reasons that have counted nothing are left out. Sources have no totals: each look is about its
// own time. `filter`: rows of which a word has this, whether in capitals or not; empty: all.
Ranking make_ranking(View view, const Counts& counts, const Rates& rates, const TalkerRates& talkers,
                     SortBy by, const std::string& filter);

}  // namespace fwctl::observe
