// What every command begins with: which network namespace, where its state is, and the lock for those that
// change it.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "engine/lock.h"
#include "engine/store.h"
#include "kernel/bpffs.h"
#include "net/interface.h"

namespace fwctl::engine {

// The paths of the network namespace that the process is in.
Result<kernel::StatePaths> current_paths();

// What is said where nothing is attached: an error with Exit::kNotAttached.
tl::unexpected<Error> nothing_attached();

// To look: waits for a command that is changing things, and makes nothing.
struct Reading {
    Lock lock;
    Store store;
};

// nullopt: nothing is attached in this network namespace.
Result<std::optional<Reading>> open_to_read();

// To look again and again: takes no lock, so that a process that is stopped while it looks keeps nobody from
// working.
Result<std::optional<Store>> open_to_peek();

// To change. What a killed command left behind is cleaned up first.
struct Writing {
    Lock lock;
    Store store;
    State state;
    std::vector<Attachment> unfinished;  // of a detach, what the kernel has refused to take off so far
};

// An error with Exit::kNotAttached when nothing is attached, with Exit::kConflict while a policy is on trial.
Result<Writing> open_to_write();

// What a killed command left behind is cleaned up, and what it did is in the history.
Status settle_unfinished();

// To end a trial: nothing is cleaned up.
Result<Writing> open_during_trial();

// As open_to_write(), but makes the state where there is none, mounting the bpffs if need be.
Result<Writing> create_to_write();

}  // namespace fwctl::engine
