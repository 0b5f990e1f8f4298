// One check of one target, under way: what all kinds of them share.
//
// Promises: nothing blocks. start_…() begins a check; what it found is told once, by `done`, from within
// start_…(), which may give nullptr then, or from within Poller::wait(). A probe that goes before that is
// broken off and tells nothing. How long an answer is waited for is the caller's to judge: see silence().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/poller.h"
#include "agent/target.h"

namespace fwctl::agent {

enum class Finding : std::uint8_t {
    kGood,
    kBad,
    kUnable,  // the check could not be made, which says nothing of the target: "too many open files"
};
inline constexpr std::size_t kFindings = static_cast<std::size_t>(Finding::kUnable) + 1;

struct Outcome {
    Finding finding = Finding::kBad;
    std::string why;  // "connection refused", "HTTP status 503"
};

using Done = std::function<void(Outcome)>;

class Probe {
public:
    Probe() = default;
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    Probe(Probe&&) = delete;
    Probe& operator=(Probe&&) = delete;
    virtual ~Probe() = default;
};

// A connection that comes to be is good. It ends with a reset, so that no check leaves a port in TIME_WAIT.
std::unique_ptr<Probe> start_tcp(Poller& poller, const Target& target, Done done);

// The datagram that came back first decides; an ICMP error is bad.
std::unique_ptr<Probe> start_udp(Poller& poller, const Target& target, Done done);

// `token` tells its answer from others'. Takes CAP_NET_RAW.
std::unique_ptr<Probe> start_ping(Poller& poller, const Target& target, std::uint64_t token, Done done);

// What it means that nothing came back within the timeout.
Outcome silence(const policy::Health& health);

// What it means that a call has ended with this errno: some are no fault of the target's.
Outcome failure(int error);

// Words as a message has them: those of strerror() begin with a capital.
std::string uncapitalized(std::string text);

}  // namespace fwctl::agent
