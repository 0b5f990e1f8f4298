// One fwctl changes things at a time.
//
// Promises: the lock is on the directory of all state, so it is where the state is; it ends with the process,
// however that ends.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "kernel/bpffs.h"

namespace fwctl::engine {

class Lock {
public:
    // Waits for another fwctl, up to half a minute; makes the directory.
    static Result<Lock> acquire(const kernel::StatePaths& paths);

private:
    Fd directory_;
};

}  // namespace fwctl::engine
