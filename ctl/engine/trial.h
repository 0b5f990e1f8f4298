// A policy on trial: it holds until its deadline, which the programs themselves keep, unless it is confirmed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace fwctl::engine {

// How the trial of a generation stands; `snapshot` is that of the policy on trial.
enum class TrialState { kUnderWay, kConfirmed, kOver };
Result<TrialState> trial_state(std::uint32_t generation, const std::string& snapshot);
// nullopt: no policy is on trial.
Result<std::optional<std::chrono::seconds>> trial_left();

// Keeps the policy; an error with Exit::kConflict when none is on trial, or its time has just run out.
Status confirm_trial();

// Goes back to the policy before, and tidies up behind a trial whose time has run out. Does nothing when
// there was none.
Status end_trial();

}  // namespace fwctl::engine
