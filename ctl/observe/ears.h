// Hears who talks: engine::Talkers of this network namespace, by themselves.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "base/result.h"
#include "engine/current_store.h"
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
    TalkerEars(engine::CurrentStore store, engine::Talkers talkers)
        : store_(std::move(store)), talkers_(std::make_unique<engine::Talkers>(std::move(talkers))) {}

    engine::CurrentStore store_;
    std::unique_ptr<engine::Talkers> talkers_;
    Clock::time_point since_ = Clock::now();
};

}  // namespace fwctl::observe
