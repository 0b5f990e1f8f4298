#include "page/upstream.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/fd.h"

namespace fwctl::page {
namespace {

constexpr timeval kPatience = {3, 0};
constexpr std::size_t kLongest = std::size_t{16} << 20;
constexpr std::string_view kRequest = "GET /state HTTP/1.0\r\nHost: localhost\r\n\r\n";

Result<Fd> dial(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) return fail(path + " is too long for a socket");
    std::memcpy(address.sun_path, path.data(), path.size());
    Fd made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    setsockopt(made.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
    if (connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return made;
    if (errno == ENOENT || errno == ECONNREFUSED) return fail("no agent runs (fwctl agent)");
    return fail(fmt::format("cannot reach the agent at {}: {}", path, strerror(errno)));
}

}  // namespace

Result<std::string> ask_agent(const std::string& path) {
    auto agent = dial(path);
    if (!agent) return tl::unexpected(agent.error());
    if (send(agent->get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0)
        return fail(fmt::format("the agent does not answer: {}", strerror(errno)));
    std::string answer;
    std::array<char, 65'536> room{};
    for (;;) {
        const ssize_t size = recv(agent->get(), room.data(), room.size(), 0);
        if (size < 0) return fail(fmt::format("the agent does not answer: {}", strerror(errno)));
        if (size == 0) break;
        answer.append(room.data(), static_cast<std::size_t>(size));
        if (answer.size() > kLongest) return fail("what the agent says is too long");
    }
    const std::size_t head = answer.find("\r\n\r\n");
    if (head == std::string::npos) return fail("the agent has ended while it answered");
    const std::string body = answer.substr(head + 4);
    if (answer.find(" 200 ") > answer.find('\r')) return fail(body.substr(0, body.find('\n')));
    return body;
}

}  // namespace fwctl::page
