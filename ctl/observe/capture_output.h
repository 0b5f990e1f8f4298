// Where a capture goes: a file, or the standard output.
//
// Promises: a file is made for nobody but its owner (0600), and one that is there is written over. write()
// writes all or fails: a reader never finds half a block but where writing failed, or the process was killed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace fwctl::observe {

class CaptureOutput {
public:
    // "-": the standard output. An error with Exit::kUsage for a terminal, and for what cannot be opened.
    static Result<CaptureOutput> open(const std::string& path);

    // A signal interrupts it while the other end of a pipe does not read: then `gives_up` is asked whether
    // that is enough.
    Status write(std::span<const std::uint8_t> bytes, const std::function<bool()>& gives_up) const;

private:
    Fd file_;  // empty: the standard output
    std::string name_;
};

}  // namespace fwctl::observe
