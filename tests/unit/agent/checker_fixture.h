// A Checker under a clock that the test sets. While it stands still no time is over, so that a slow machine
// changes nothing: what is waited for comes.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <vector>

#include "agent/checker.h"

namespace fwctl::agent {

using std::chrono::milliseconds;

// For the day when what is waited for does not come.
inline constexpr std::chrono::seconds kPatience{60};

class CheckerTest : public ::testing::Test {
protected:
    void SetUp() override {
        auto created = Checker::create([this] { return now_; }, [this](const TargetId&) { return sent_; }, 1);
        ASSERT_TRUE(created) << created.error().message;
        checker_ = std::move(*created);
    }

    // The turn of all targets comes: their next checks begin.
    std::vector<Event> begin_checks(const std::vector<Target>& targets) {
        milliseconds longest{0};
        for (const Target& target : targets) longest = std::max(longest, target.health.every);
        now_ += longest + longest / 10;
        return checker_->run_once(milliseconds(0));
    }

    // What comes in while the clock stands still, until there is an event.
    std::vector<Event> wait_for_events(std::vector<Event> events = {}) {
        const auto end = std::chrono::steady_clock::now() + kPatience;
        while (events.empty() && std::chrono::steady_clock::now() < end)
            events = checker_->run_once(milliseconds(20));
        return events;
    }

    // The event that a target's first check makes.
    Event check(const Target& target) {
        checker_->set_targets({target});
        const auto events = wait_for_events(begin_checks({target}));
        EXPECT_EQ(events.size(), 1U);
        return events.empty() ? Event{} : events[0];
    }

    // The same where nothing comes in: its time is over.
    Event check_in_vain(const Target& target) {
        checker_->set_targets({target});
        EXPECT_EQ(begin_checks({target}), std::vector<Event>{});
        EXPECT_EQ(checker_->run_once(milliseconds(50)), std::vector<Event>{});
        now_ += target.health.timeout;
        const auto events = checker_->run_once(milliseconds(0));
        EXPECT_EQ(events.size(), 1U);
        return events.empty() ? Event{} : events[0];
    }

    static Event up(const Target& target, const std::string& why) {
        return {target.id, Event::Kind::kUp, why};
    }
    static Event down(const Target& target, const std::string& why) {
        return {target.id, Event::Kind::kDown, why};
    }

    Time now_{std::chrono::hours(1)};
    std::uint32_t sent_ = 0;  // packets of checks by the services' ways
    std::unique_ptr<Checker> checker_;
};

inline void PrintTo(const Event& event, std::ostream* out) {
    *out << (event.kind == Event::Kind::kUp     ? "up: "
             : event.kind == Event::Kind::kDown ? "down: "
                                                : "unable: ")
         << event.why;
}

}  // namespace fwctl::agent
