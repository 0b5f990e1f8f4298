#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "agent/probe.h"
#include "agent/socket_probe.h"

namespace fwctl::agent {
namespace {

constexpr std::size_t kLargestDatagram = 65'535;

class UdpProbe : public SocketProbe {
public:
    UdpProbe(Fd socket, const policy::Health& health, Done done)
        : SocketProbe(std::move(socket), std::move(done)), answer_(health.answer) {}

private:
    void ready() override {
        std::string got(kLargestDatagram, '\0');
        const ssize_t size = recv(socket(), got.data(), got.size(), 0);
        if (size < 0 && errno == EAGAIN) return;  // a datagram with a wrong checksum
        if (size < 0) return end(failure(errno));
        got.resize(static_cast<std::size_t>(size));
        if (answer_ && got.find(*answer_) == std::string::npos) return end({Finding::kBad, "another answer"});
        end({Finding::kGood, "answered"});
    }

    std::optional<std::string> answer_;
};

}  // namespace

std::unique_ptr<Probe> start_udp(Poller& poller, const Target& target, Done done) {
    Fd socket = connected_socket(target, SOCK_DGRAM, 0);
    const std::string& payload = target.health.payload;
    if (!socket || send(socket.get(), payload.data(), payload.size(), 0) < 0) {
        done(failure(errno));
        return nullptr;
    }
    auto probe = std::make_unique<UdpProbe>(std::move(socket), target.health, std::move(done));
    probe->await(poller, EPOLLIN);
    return probe;
}

}  // namespace fwctl::agent
