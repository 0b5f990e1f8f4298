#include "engine/trial.h"

#include "engine/session.h"

namespace fwctl::engine {

Result<std::optional<std::chrono::seconds>> trial_left() {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return std::nullopt;
    return (*reading)->store.trial_left();
}

Result<TrialState> trial_state(std::uint32_t generation) {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return TrialState::kOver;
    const Store& store = (*reading)->store;
    auto state = store.read();
    if (!state) return tl::unexpected(state.error());
    if (state->generation != generation || store.trial_lapsed()) return TrialState::kOver;
    return store.trial_left() ? TrialState::kUnderWay : TrialState::kConfirmed;
}

Status confirm_trial() {
    {
        auto writing = open_during_trial();
        if (!writing) return tl::unexpected(writing.error());
        if (auto kept = writing->store.keep_trial(); !kept) return kept;
    }
    // As any command that may write does, this takes off what the policy no longer wants.
    auto tidy = open_to_write();
    return tidy ? Status{} : tl::unexpected(tidy.error());
}

Status end_trial() {
    {
        auto writing = open_during_trial();
        if (!writing) return tl::unexpected(writing.error());
        if (writing->store.trial_left())
            if (auto ended = writing->store.end_trial(); !ended) return ended;
    }
    auto tidy = open_to_write();
    if (!tidy && tidy.error().exit != Exit::kNotAttached) return tl::unexpected(tidy.error());
    return {};
}

}  // namespace fwctl::engine
