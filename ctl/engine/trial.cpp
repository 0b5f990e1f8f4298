#include "engine/trial.h"

#include <utility>

#include "engine/apply.h"
#include "engine/library.h"
#include "engine/session.h"

namespace fwctl::engine {

Result<std::optional<std::chrono::seconds>> trial_left() {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return std::nullopt;
    return (*reading)->store.trial_left();
}

Result<TrialState> trial_state(std::uint32_t generation, const std::string& snapshot) {
    auto peek = open_to_peek();
    if (!peek) return tl::unexpected(peek.error());
    if (!*peek) return TrialState::kOver;
    const Store& store = **peek;
    if (store.trial_lapsed()) return TrialState::kOver;
    const bool has_time = store.trial_left().has_value();
    // Read last: whatever ended the trial is in it.
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    if (has_time && state->generation == generation) return TrialState::kUnderWay;
    // Other commands may have come since.
    return state->main.snapshot == snapshot ? TrialState::kConfirmed : TrialState::kOver;
}

Status confirm_trial() {
    auto writing = open_during_trial();
    if (!writing) return tl::unexpected(writing.error());
    if (auto kept = writing->store.keep_trial(); !kept) return kept;
    return settle_trial(std::move(*writing));
}

Status end_trial() {
    {
        auto writing = open_during_trial();
        if (!writing) return tl::unexpected(writing.error());
        if (writing->store.trial_left()) writing->store.end_trial();
    }
    auto tidy = open_to_write();
    if (!tidy) return tidy.error().exit == Exit::kNotAttached ? Status{} : tl::unexpected(tidy.error());
    if (auto library = Library::open()) library->tidy(tidy->state.main.snapshot);
    return {};
}

}  // namespace fwctl::engine
