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
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        if (mkdir(paths.root.c_str(), 0700) != 0 && errno != EEXIST)
            return fail(fmt::format("cannot make {}: {}", paths.root, strerror(errno)));
        Lock lock;
        lock.directory_ = Fd(::open(paths.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!lock.directory_) continue;
        while (flock(lock.directory_.get(), LOCK_EX | LOCK_NB) != 0) {
            if (std::chrono::steady_clock::now() >= deadline) break;
            std::this_thread::sleep_for(kPause);
        }
        if (std::chrono::steady_clock::now() < deadline && still_there(lock.directory_, paths.root))
            return lock;
    }
    return fail("another fwctl has been at work for half a minute; nothing was changed", Exit::kConflict);
}

}  // namespace fwctl::engine
