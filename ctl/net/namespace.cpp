#include "net/namespace.h"

#include <asm/socket.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace fwctl::net {

Status enter_namespace(const std::string& name) {
    const bool is_pid = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
        return std::isdigit(letter) != 0;
    });
    const bool is_name = !name.empty() && name.find('/') == std::string::npos && name != "." && name != "..";
    if (!is_name)
        return fail(
            fmt::format("\"{}\" is not a network namespace; give a name of `ip netns` or a process id", name),
            Exit::kUsage);
    Fd fd(::open(fmt::format("/run/netns/{}", name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && is_pid) fd = Fd(::open(fmt::format("/proc/{}/ns/net", name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        if (errno == ENOENT)
            return fail(fmt::format("there is no network namespace \"{}\" (`ip netns` lists them)", name));
        return fail(fmt::format("cannot open the network namespace \"{}\": {}", name, strerror(errno)),
                    errno == EACCES || errno == EPERM ? Exit::kNoPrivilege : Exit::kFailed);
    }
    if (setns(fd.get(), CLONE_NEWNET) != 0)
        return fail(fmt::format("cannot enter the network namespace \"{}\": {}", name, strerror(errno)),
                    errno == EPERM ? Exit::kNoPrivilege : Exit::kFailed);
    return {};
}

Result<std::uint64_t> namespace_cookie() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    if (!socket || getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
        return fail(fmt::format("cannot identify this network namespace: {}", strerror(errno)));
    return cookie;
}

bool in_first_namespace() {
    struct stat own {};
    struct stat first {};
    if (stat("/proc/self/ns/net", &own) != 0) return false;
    if (stat("/proc/1/ns/net", &first) == 0) return own.st_ino == first.st_ino;
    // Who may not look at process 1 (that takes CAP_SYS_PTRACE, or all that it has itself): only the kernel's
    // first one has this sysctl.
    return access("/proc/sys/net/core/netdev_max_backlog", F_OK) == 0;
}

}  // namespace fwctl::net
