// Checks that are made with one socket.
#pragma once

#include <cstdint>
#include <utility>

#include "agent/poller.h"
#include "agent/probe.h"
#include "agent/target.h"
#include "base/fd.h"

namespace fwctl::agent {

// A socket that does not block and is connected to the target, or, of TCP, about to be. Whatever ICMP says
// against the target comes back as its error. Empty: errno says why.
Fd connected_socket(const Target& target, int type, int protocol);

// What the socket of a check that goes by its service's way needs; nothing for others. False: errno says why.
bool mark_socket(int socket, const Target& target, int type);

class SocketProbe : public Probe {
public:
    // Tells ready() of `events`, again and again.
    void await(Poller& poller, std::uint32_t events);

protected:
    SocketProbe(Fd socket, Done done) : socket_(std::move(socket)), done_(std::move(done)) {}

    virtual void ready() = 0;

    [[nodiscard]] int socket() const { return socket_.get(); }
    void end(Outcome outcome) { done_(std::move(outcome)); }

private:
    Fd socket_;
    Poller::Watch watch_;
    Done done_;
};

}  // namespace fwctl::agent
