#include "engine/agent_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "net/namespace.h"

namespace fwctl::engine {
namespace {

constexpr const char* kFolder = "/run/fwctl";

Result<std::string> lock_path() {
    auto cookie = net::namespace_cookie();
    if (!cookie) return tl::unexpected(cookie.error());
    return fmt::format("{}/agent-{}.lock", kFolder, *cookie);
}

// Of fcntl(2), as that says who holds it. It goes when the process closes any descriptor of the file: the
// agent opens it once.
struct flock whole_file() {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

std::optional<pid_t> holder_of(const Fd& file) {
    struct flock lock = whole_file();
    if (fcntl(file.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
    return lock.l_pid;
}

}  // namespace

Result<AgentLock> AgentLock::acquire() {
    auto path = lock_path();
    if (!path) return tl::unexpected(path.error());
    if (mkdir(kFolder, 0755) == 0)
        chmod(kFolder, 0755);  // whatever the umask: a group may be let in to the socket there
    else if (errno != EEXIST)
        return fail(fmt::format("cannot make {}: {}", kFolder, strerror(errno)));
    Fd file(::open(path->c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file) return fail(fmt::format("cannot open {}: {}", *path, strerror(errno)));
    const struct flock lock = whole_file();
    if (fcntl(file.get(), F_SETLK, &lock) == 0) return AgentLock(std::move(file));
    if (errno != EACCES && errno != EAGAIN)
        return fail(fmt::format("cannot lock {}: {}", *path, strerror(errno)));
    const auto holder = holder_of(file);
    return fail(fmt::format("there is an agent in this network namespace already: process {}",
                            holder ? std::to_string(*holder) : "unknown"),
                Exit::kConflict);
}

Result<std::string> agent_socket() {
    if (net::in_first_namespace()) return fmt::format("{}/agent.sock", kFolder);
    auto cookie = net::namespace_cookie();
    if (!cookie) return tl::unexpected(cookie.error());
    return fmt::format("{}/agent-{}.sock", kFolder, *cookie);
}

Result<std::optional<pid_t>> running_agent() {
    auto path = lock_path();
    if (!path) return tl::unexpected(path.error());
    const Fd file(::open(path->c_str(), O_RDWR | O_CLOEXEC));
    if (file) return holder_of(file);
    if (errno == ENOENT) return std::nullopt;
    return fail(fmt::format("cannot open {}: {}", *path, strerror(errno)));
}

}  // namespace fwctl::engine
