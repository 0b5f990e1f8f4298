#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/fd.h"

namespace fwctl {
namespace {

tl::unexpected<Error> cannot(const char* what, const std::string& path) {
    return fail(fmt::format("cannot {} {}: {}", what, path, strerror(errno)),
                errno == EACCES || errno == EPERM ? Exit::kNoPrivilege : Exit::kFailed);
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

bool sync_directory(const std::string& path) {
    const Fd directory(open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return directory && fsync(directory.get()) == 0;
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return cannot("read", path);
    std::string text;
    std::string piece(1 << 16, '\0');
    while (true) {
        const ssize_t got = read(file.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cannot("read", path);
        if (got == 0) return text;
        text.append(piece, 0, static_cast<std::size_t>(got));
    }
}

Status write_file(const std::string& path, std::string_view text) {
    const std::string beside = path + ".new";
    const Fd file(open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return cannot("write", path);
    const bool written = write_all(file.get(), text) && fsync(file.get()) == 0 &&
                         rename(beside.c_str(), path.c_str()) == 0 &&
                         sync_directory(std::filesystem::path(path).parent_path().string());
    if (written) return {};
    const int error = errno;
    unlink(beside.c_str());
    errno = error;
    return cannot("write", path);
}

}  // namespace fwctl
