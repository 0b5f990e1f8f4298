#include "observe/capture_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fwctl::observe {

Result<CaptureOutput> CaptureOutput::open(const std::string& path) {
    CaptureOutput output;
    output.name_ = path;
    if (path == "-") {
        output.name_ = "the standard output";
        if (isatty(STDOUT_FILENO) != 0)
            return fail("a terminal shows no captures; give -w a file, or pipe into: tcpdump -r -",
                        Exit::kUsage);
        return output;
    }
    constexpr mode_t kForItsOwner = 0600;
    output.file_ =
        Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, kForItsOwner));
    if (!output.file_)
        return fail(fmt::format("cannot write to {}: {}", path, strerror(errno)), Exit::kUsage);
    return output;
}

Status CaptureOutput::write(std::span<const std::uint8_t> bytes,
                            const std::function<bool()>& gives_up) const {
    const int file = file_ ? file_.get() : STDOUT_FILENO;
    while (!bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        if (written >= 0)
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        else if (errno != EINTR || gives_up())
            return fail(fmt::format("cannot write to {}: {}", name_, strerror(errno)));
    }
    return {};
}

}  // namespace fwctl::observe
