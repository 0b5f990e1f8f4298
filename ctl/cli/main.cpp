#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <system_error>

#include "base/result.h"
#include "cli/app.h"
#include "cli/interrupt.h"

namespace {

// What was not written is not done, whatever else was. fmt throws where a larger output cannot be written.
int tell_unwritten(int error) {
    std::fprintf(stderr, "fwctl: cannot write: %s\n", std::strerror(error));
    return static_cast<int>(fwctl::Exit::kFailed);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const int status = fwctl::cli::run(argc, argv);
        // Who has ended it does not wait for a pipe that nobody reads.
        if (fwctl::cli::times_interrupted() != 0) return status;
        std::cout.flush();
        const bool is_written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
        return is_written || status != 0 ? status : tell_unwritten(errno);
    } catch (const std::system_error& error) {
        return tell_unwritten(error.code().value());
    }
}
