#include "engine/lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace fwctl::engine {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);
constexpr auto kPause = std::chrono::milliseconds(5);

// The last detach removes the directory: whoever waited for it then holds a lock on nothing.
bool still_there(const Fd& directory, const std::string& path) {
    struct stat held {};
    struct stat named {};
    return fstat(directory.get(), &held) == 0 && stat(path.c_str(), &named) == 0 &&
           held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

}  // namespace

Result<Lock> Lock::acquire(const kernel::StatePaths& paths) {
    return wait(paths, LOCK_EX);
}

Result<Lock> Lock::acquire_to_read(const kernel::StatePaths& paths) {
    return wait(paths, LOCK_SH);
}

Result<Lock> Lock::wait(const kernel::StatePaths& paths, int operation) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        if (operation == LOCK_EX && mkdir(paths.root.c_str(), 0700) != 0 && errno != EEXIST)
            return fail(fmt::format("cannot make {}: {}", paths.root, strerror(errno)));
        Lock lock;
        lock.directory_ = Fd(::open(paths.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!lock.directory_) {
            if (operation == LOCK_SH) return lock;
            continue;
        }
        while (flock(lock.directory_.get(), operation | LOCK_NB) != 0) {
            if (std::chrono::steady_clock::now() >= deadline) break;
            std::this_thread::sleep_for(kPause);
        }
        if (std::chrono::steady_clock::now() < deadline && still_there(lock.directory_, paths.root))
            return lock;
    }
    return fail("another fwctl has been at work for half a minute; nothing was changed", Exit::kConflict);
}

}  // namespace fwctl::engine
