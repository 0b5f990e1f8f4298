// Hears who talks: engine::Talkers of this network namespace, by themselves.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>

#include "base/result.h"
#include "engine/talkers.h"
#include "observe/ranking.h"

namespace fwctl::observe {

class TalkerEars {
public:
    // Errors: Exit::kNotAttached when nothing is attached, and as engine::Talkers::open().
    static Result<TalkerEars> open();
    // Since open(), or the look before. An error with Exit::kNotAttached when what was attached is not any
    // more.
    Result<TalkerRates> look();

private:
    using Clock = std::chrono::steady_clock;
    TalkerEars(std::unique_ptr<engine::Store> store, ino_t directory, engine::Talkers talkers)
        : store_(std::move(store)),
          directory_(directory),
          talkers_(std::make_unique<engine::Talkers>(std::move(talkers))) {}

    std::unique_ptr<engine::Store> store_;  // where it is the talkers find it
    ino_t directory_;                       // of the pins: what is attached anew has another one
    std::unique_ptr<engine::Talkers> talkers_;
    Clock::time_point since_ = Clock::now();
};

}  // namespace fwctl::observe
