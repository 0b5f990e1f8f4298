// Checks that are commands: run by /bin/sh -c in a process group of their own, their input empty, their
// output thrown away, with the agent's environment and
//
//     FWCTL_VIP, FWCTL_BACKEND, FWCTL_ADDRESS, FWCTL_PORT     the last is 0 where the service names no port
//
// Promises: a command that is broken off is killed with its process group, and leaves no zombie. While one
// cannot be killed (the kernel waits for a disk), no other one is begun for its target.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>

#include "agent/poller.h"
#include "agent/probe.h"
#include "agent/target.h"
#include "base/fd.h"

namespace fwctl::agent {

class Commands {
public:
    explicit Commands(Poller& poller) : poller_(poller) {}

    // What it begins must not outlive the Commands.
    std::unique_ptr<Probe> start(const Target& target, Done done);

private:
    class ExecProbe;
    struct Child {
        pid_t pid = -1;
        Fd pidfd;
        Poller::Watch watch;
    };

    void kill(const TargetId& id, Child child);

    Poller& poller_;
    std::map<TargetId, Child> killed_;  // that have not ended yet
};

}  // namespace fwctl::agent
