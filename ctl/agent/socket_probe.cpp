#include "agent/socket_probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "fwctl/abi/service.h"

namespace fwctl::agent {
namespace {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
};

SocketAddress socket_address(const policy::Prefix& address, std::uint16_t port) {
    SocketAddress made;
    if (address.family == policy::Family::kIpv4) {
        sockaddr_in ipv4{};
        ipv4.sin_family = AF_INET;
        ipv4.sin_port = htons(port);
        std::memcpy(&ipv4.sin_addr, address.address.data(), sizeof(ipv4.sin_addr));
        made.length = sizeof(ipv4);
        std::memcpy(&made.storage, &ipv4, sizeof(ipv4));
    } else {
        sockaddr_in6 ipv6{};
        ipv6.sin6_family = AF_INET6;
        ipv6.sin6_port = htons(port);
        std::memcpy(&ipv6.sin6_addr, address.address.data(), sizeof(ipv6.sin6_addr));
        made.length = sizeof(ipv6);
        std::memcpy(&made.storage, &ipv6, sizeof(ipv6));
    }
    return made;
}

// Empty, with the error that it is empty for.
Fd without(Fd& socket, int error) {
    socket = Fd();
    errno = error;
    return {};
}

// The largest TCP segment that IPv6's smallest MTU has room for behind the headers: the outer one as well.
constexpr int kSmallSegment = 1280 - FW_MAX_OUTER_SIZE - 40 - 20;

}  // namespace

// The kernel knows the MTU on the way to the service's address, to which no outer header belongs.
bool mark_socket(int socket, const Target& target, int type) {
    if (target.mark == 0) return true;
    return setsockopt(socket, SOL_SOCKET, SO_MARK, &target.mark, sizeof(target.mark)) == 0 &&
           (type != SOCK_STREAM ||
            setsockopt(socket, IPPROTO_TCP, TCP_MAXSEG, &kSmallSegment, sizeof(kSmallSegment)) == 0);
}

Fd connected_socket(const Target& target, int type, int protocol) {
    const bool ipv4 = target.id.asked().family == policy::Family::kIpv4;
    Fd socket(::socket(ipv4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (!socket) return socket;
    if (!mark_socket(socket.get(), target, type)) return without(socket, errno);
    // Without it, "host unreachable" is kept from sockets that are not of TCP.
    const int on = 1;
    setsockopt(socket.get(), ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_RECVERR : IPV6_RECVERR, &on,
               sizeof(on));
    const SocketAddress address = socket_address(target.id.asked(), type == SOCK_RAW ? 0 : target.port);
    const int result =
        connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length);
    if (result != 0 && errno != EINPROGRESS) return without(socket, errno);
    return socket;
}

void SocketProbe::await(Poller& poller, std::uint32_t events) {
    auto watch = poller.watch(socket_.get(), events, [this](std::uint32_t) { ready(); });
    if (!watch) return end({Finding::kUnable, watch.error().message});
    watch_ = std::move(*watch);
}

}  // namespace fwctl::agent
