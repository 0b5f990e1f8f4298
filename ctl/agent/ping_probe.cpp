#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "agent/probe.h"
#include "agent/socket_probe.h"

namespace fwctl::agent {
namespace {

// Type, code, checksum, identifier and sequence (RFC 792, RFC 4443 section 4.1), then eight bytes of our own.
using Echo = std::array<std::uint8_t, 16>;
constexpr std::size_t kBehindChecksum = 4;  // what an answer repeats begins here

// RFC 1071.
std::uint16_t checksum(const Echo& echo) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < echo.size(); i += 2)
        sum += static_cast<std::uint32_t>(echo.at(i) << 8 | echo.at(i + 1));
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

Echo echo_request(bool ipv4, std::uint64_t token) {
    Echo echo{};
    echo[0] = ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
    std::memcpy(&echo[kBehindChecksum], &token, 2);
    std::memcpy(&echo[8], &token, sizeof(token));
    if (!ipv4) return echo;  // the kernel knows the addresses that the sum of ICMPv6 takes in
    const std::uint16_t sum = checksum(echo);
    echo[2] = static_cast<std::uint8_t>(sum >> 8);
    echo[3] = static_cast<std::uint8_t>(sum);
    return echo;
}

class PingProbe : public SocketProbe {
public:
    PingProbe(Fd socket, bool ipv4, const Echo& request, Done done)
        : SocketProbe(std::move(socket), std::move(done)), ipv4_(ipv4), request_(request) {}

private:
    void ready() override {
        std::array<std::uint8_t, 128> packet{};
        const ssize_t size = recv(socket(), packet.data(), packet.size(), 0);
        if (size < 0 && errno == EAGAIN) return;
        if (size < 0) return end(failure(errno));
        if (answers(std::span(packet).first(static_cast<std::size_t>(size))))
            end({Finding::kGood, "answered"});
    }

    // A raw socket shows all ICMP of the peer, of IPv4 with its IP header; of a peer that is this host also
    // the request.
    [[nodiscard]] bool answers(std::span<const std::uint8_t> packet) const {
        if (packet.empty()) return false;
        const std::size_t header = ipv4_ ? (packet[0] & 0x0fU) * 4U : 0;
        if (packet.size() < header + request_.size()) return false;
        const auto icmp = packet.subspan(header, request_.size());
        return icmp[0] == (ipv4_ ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
               std::equal(icmp.begin() + kBehindChecksum, icmp.end(), request_.begin() + kBehindChecksum);
    }

    bool ipv4_;
    Echo request_;
};

}  // namespace

std::unique_ptr<Probe> start_ping(Poller& poller, const Target& target, std::uint64_t token, Done done) {
    const bool ipv4 = target.id.address.family == policy::Family::kIpv4;
    const Echo request = echo_request(ipv4, token);
    int protocol = ipv4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6);
    Fd socket = connected_socket(target, SOCK_RAW, protocol);
    if (!socket || send(socket.get(), request.data(), request.size(), 0) < 0) {
        done(failure(errno));
        return nullptr;
    }
    auto probe = std::make_unique<PingProbe>(std::move(socket), ipv4, request, std::move(done));
    probe->await(poller, EPOLLIN);
    return probe;
}

}  // namespace fwctl::agent
