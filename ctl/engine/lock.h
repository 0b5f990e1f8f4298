// One fwctl changes things at a time, and nobody reads meanwhile.
//
// Promises: the lock is on the directory of all state, so it is where the state is; it ends with the process,
// however that ends. Filtering never waits for it.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "kernel/bpffs.h"

namespace fwctl::engine {

class Lock {
public:
    // Waits for another fwctl, up to half a minute; makes the directory.
    static Result<Lock> acquire(const kernel::StatePaths& paths);

    // Beside other readers. Where the directory is missing there is nothing to read, and the lock is empty.
    static Result<Lock> acquire_to_read(const kernel::StatePaths& paths);

private:
    static Result<Lock> wait(const kernel::StatePaths& paths, int operation);

    Fd directory_;
};

}  // namespace fwctl::engine
