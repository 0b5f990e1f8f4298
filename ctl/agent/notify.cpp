#include "agent/notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/fd.h"

namespace fwctl::agent {
namespace {

std::optional<std::uint64_t> number(const char* text) {
    std::uint64_t value = 0;
    if (text == nullptr) return std::nullopt;
    const char* end = text + std::strlen(text);
    const auto [stopped, error] = std::from_chars(text, end, value);
    if (error != std::errc() || stopped != end) return std::nullopt;
    return value;
}

}  // namespace

ServiceManager::ServiceManager(const std::function<const char*(const char*)>& variables) {
    if (const char* socket = variables("NOTIFY_SOCKET"); socket != nullptr) socket_ = socket;
    const auto interval = number(variables("WATCHDOG_USEC"));
    const auto watched = number(variables("WATCHDOG_PID"));
    // A watchdog of another process, which this one has its environment from, is not ours to keep quiet.
    if (watched && *watched != static_cast<std::uint64_t>(getpid())) return;
    if (interval && *interval != 0) watchdog_ = std::chrono::microseconds(*interval);
}

Status ServiceManager::tell(std::string_view state) const {
    if (socket_.empty()) return {};
    const auto cannot = [&](int error) {
        return fail(fmt::format("cannot tell the service manager at {}: {}", socket_, strerror(error)));
    };
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_.size() >= sizeof(address.sun_path)) return cannot(ENAMETOOLONG);
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    if (socket_[0] == '@') address.sun_path[0] = '\0';  // an abstract one
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return cannot(errno);
    if (sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), length) < 0)
        return cannot(errno);
    return {};
}

}  // namespace fwctl::agent
