// What libbpf and libxdp say, kept back: shown only when something failed, its end first.
//
// Promises: while a LogCapture lives, neither library writes to stderr, unless set_verbose(). One at a time per thread.
#pragma once

#include <string>

namespace fwctl::kernel {

class LogCapture {
public:
    LogCapture();
    ~LogCapture();
    LogCapture(const LogCapture&) = delete;
    LogCapture& operator=(const LogCapture&) = delete;

    // Lets all of it through to stderr, as it comes.
    static void set_verbose(bool verbose);

    // The last lines of what was said, without the verifier's statistics; empty when nothing was.
    [[nodiscard]] std::string tail() const;

private:
    std::string text_;
};

}  // namespace fwctl::kernel
