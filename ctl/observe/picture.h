// What the page shows: the network namespace as it is, in JSON, and what has happened lately.
//
// Promises: no lock is taken and nothing is changed; but while somebody asks, packets are listened to
// (observe/closeup.h). Bounded: of the rules the first kRules of the policy, of what has happened the last
// kEvents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/result.h"
#include "observe/closeup.h"
#include "observe/counts.h"
#include "observe/health_history.h"
#include "observe/news.h"

namespace fwctl::observe {

class Picture {
public:
    static constexpr std::size_t kRules = 500;
    static constexpr std::size_t kEvents = 200;

    Picture();

    // Once a second or so.
    void look(WallTime now, const std::vector<News>& news);

    // "schema": 1; what it has is what the page reads (ctl/page/assets/main.js).
    Result<std::string> text();

private:
    struct Happened {
        std::uint64_t number = 0;
        WallTime time;
        News news;
    };
    void add(WallTime now, const News& news);

    CountReader reader_;
    HealthHistory health_;
    Closeup closeup_;
    std::deque<Happened> events_;
    std::uint64_t last_ = 0;
    WallTime began_;  // tells the numbers of events from those of another process
};

}  // namespace fwctl::observe
