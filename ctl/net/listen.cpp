#include "net/listen.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

namespace fwctl::net {
namespace {

constexpr int kBacklog = 128;
constexpr mode_t kAllButOwner = 0177;

tl::unexpected<Error> no_endpoint(std::string_view text) {
    return fail(fmt::format("\"{}\" is no address to listen on; give ADDRESS:PORT, as 127.0.0.1:9105 or "
                            "[::1]:9105",
                            text),
                Exit::kUsage);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

bool is_ipv6(const Endpoint& endpoint) {
    return endpoint.address.find(':') != std::string::npos;
}

tl::unexpected<Error> cannot_listen(const std::string& where) {
    return fail(fmt::format("cannot listen on {}: {}", where, strerror(errno)),
                errno == EACCES || errno == EPERM ? Exit::kNoPrivilege : Exit::kFailed);
}

Status bind_tcp(const Fd& made, const Endpoint& endpoint) {
    const int on = 1;
    setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(made.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
    int bound = -1;
    if (is_ipv6(endpoint)) {
        // So that "0.0.0.0:9105" and "[::]:9105" can be listened on side by side.
        setsockopt(made.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(endpoint.port);
        inet_pton(AF_INET6, endpoint.address.c_str(), &address.sin6_addr);
        bound = bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    } else {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(endpoint.port);
        inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr);
        bound = bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    }
    if (bound != 0 || listen(made.get(), kBacklog) != 0) return cannot_listen(endpoint.text());
    return {};
}

Result<gid_t> group_id(const std::string& name) {
    group entry{};
    group* found = nullptr;
    std::array<char, 65'536> room{};  // the members of a group are read, too
    getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
    if (found == nullptr) return fail(fmt::format("there is no group \"{}\"", name), Exit::kUsage);
    return found->gr_gid;
}

Result<sockaddr_un> unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.front() != '/' || path.size() >= sizeof(address.sun_path))
        return fail(fmt::format("\"{}\" is no path for a socket: it begins with / and has at most {} bytes",
                                path, sizeof(address.sun_path) - 1),
                    Exit::kUsage);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

// A socket that a process left behind which was killed; what anybody uses stays.
Status remove_left_behind(const std::string& path, const sockaddr_un& address) {
    struct stat there {};
    if (lstat(path.c_str(), &there) != 0) return {};
    if (!S_ISSOCK(there.st_mode)) return fail(fmt::format("{} is there already, and is no socket", path));
    const Fd caller(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!caller) return cannot_listen(path);
    if (connect(caller.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
        errno == EAGAIN)
        return fail(fmt::format("another process listens on {} already", path), Exit::kConflict);
    if (errno == EPROTOTYPE)
        return fail(fmt::format("another process has a socket of another kind at {}", path), Exit::kConflict);
    if (errno == ENOENT) return {};
    if (errno != ECONNREFUSED)
        return fail(fmt::format("{} is there already, and whether a process uses it cannot be found out: {}",
                                path, strerror(errno)));
    unlink(path.c_str());
    return {};
}

}  // namespace

std::string Endpoint::text() const {
    return is_ipv6(*this) ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return no_endpoint(text);
    std::string_view address = text.substr(0, colon);
    const auto port = parse_port(text.substr(colon + 1));
    const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
    if (bracketed) address = address.substr(1, address.size() - 2);
    const std::string literal(address);
    in6_addr read{};
    if (!port || inet_pton(bracketed ? AF_INET6 : AF_INET, literal.c_str(), &read) != 1)
        return no_endpoint(text);
    return Endpoint{literal, *port};
}

Result<Fd> listen_tcp(const Endpoint& endpoint) {
    const int family = is_ipv6(endpoint) ? AF_INET6 : AF_INET;
    Fd made(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made) return cannot_listen(endpoint.text());
    if (auto bound = bind_tcp(made, endpoint); !bound) return tl::unexpected(bound.error());
    return made;
}

Status check_path(const std::string& path) {
    if (auto address = unix_address(path); !address) return tl::unexpected(address.error());
    return {};
}

Status check_group(const std::string& group) {
    if (group.empty()) return {};
    if (auto id = group_id(group); !id) return tl::unexpected(id.error());
    return {};
}

Result<Fd> listen_unix(const std::string& path, const std::string& group) {
    auto address = unix_address(path);
    if (!address) return tl::unexpected(address.error());
    if (auto removed = remove_left_behind(path, *address); !removed) return tl::unexpected(removed.error());
    Fd made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made) return cannot_listen(path);
    const mode_t before = umask(kAllButOwner);
    const int bound = bind(made.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address));
    umask(before);
    if (bound != 0) return cannot_listen(path);
    if (!group.empty()) {
        auto id = group_id(group);
        if (!id) return tl::unexpected(id.error());
        if (chown(path.c_str(), static_cast<uid_t>(-1), *id) != 0 || chmod(path.c_str(), 0660) != 0)
            return cannot_listen(path);
    }
    if (listen(made.get(), kBacklog) != 0) return cannot_listen(path);
    return made;
}

}  // namespace fwctl::net
