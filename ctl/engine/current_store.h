// The store of this network namespace, for a process that may live longer than it.
//
// Promises: no lock is taken. What is attached after all was detached has another store, and is told from the
// one before.
#pragma once

#include <sys/types.h>

#include <memory>

#include "base/result.h"
#include "engine/store.h"

namespace fwctl::engine {

class CurrentStore {
public:
    // Looks for it where the one before is not there any more. An error with Exit::kNotAttached when nothing
    // is attached. Returns whether it is another one: then nothing holds that was known of the one before.
    Result<bool> find();

    // Whether the one that was found is still there.
    [[nodiscard]] bool is_there() const;

    // Of one that was found.
    explicit operator bool() const { return store_ != nullptr; }
    const Store& operator*() const { return *store_; }
    const Store* operator->() const { return store_.get(); }

private:
    std::unique_ptr<Store> store_;  // where it is its listeners find it
    ino_t directory_ = 0;           // of its pins
};

}  // namespace fwctl::engine
