#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "agent/probe.h"
#include "agent/socket_probe.h"

namespace fwctl::agent {
namespace {

class TcpProbe : public SocketProbe {
public:
    TcpProbe(Fd socket, Done done) : SocketProbe(std::move(socket), std::move(done)) {}

private:
    void ready() override {
        int error = 0;
        socklen_t size = sizeof(error);
        if (getsockopt(socket(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
        end(error == 0 ? Outcome{Finding::kGood, "connected"} : failure(error));
    }
};

}  // namespace

std::unique_ptr<Probe> start_tcp(Poller& poller, const Target& target, Done done) {
    Fd socket = connected_socket(target, SOCK_STREAM, 0);
    if (!socket) {
        done(failure(errno));
        return nullptr;
    }
    const linger reset{1, 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    auto probe = std::make_unique<TcpProbe>(std::move(socket), std::move(done));
    probe->await(poller, EPOLLOUT);
    return probe;
}

}  // namespace fwctl::agent
