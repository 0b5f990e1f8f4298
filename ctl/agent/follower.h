// Attaches interfaces that appear, announces addresses there, and sends to backends by the ways that the
// routes say, in a process of its own: the work takes the lock of all commands, and may have to wait for it,
// while checks are to go on.
//
// Promises: one at a time. What was done, and what failed, is told by the child on stderr; a failure is tried
// again with the next thing that happens, never by itself. Changes of routes, which come in swarms, are
// gathered: for half a second, and for five since the last ones.
#pragma once

#include <sys/types.h>

#include <memory>
#include <set>

#include "agent/pace.h"
#include "agent/poller.h"
#include "base/fd.h"
#include "base/result.h"
#include "net/link_monitor.h"
#include "net/route_monitor.h"

namespace fwctl::agent {

class Follower {
public:
    static Result<std::unique_ptr<Follower>> create(Poller& poller);
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    Follower(Follower&&) = delete;
    Follower& operator=(Follower&&) = delete;
    ~Follower();

    // Another policy holds, or another generation of it.
    void policy_changed();
    void generation_changed();

private:
    Follower(Poller& poller, net::LinkMonitor monitor, net::RouteMonitor routes, Fd timer)
        : poller_(poller),
          monitor_(std::move(monitor)),
          routes_(std::move(routes)),
          timer_(std::move(timer)) {}
    Status watch();
    void interfaces_told();
    void routes_told();
    void routes_gathered();
    void begin();
    void ended();

    Poller& poller_;
    net::LinkMonitor monitor_;
    Poller::Watch monitor_watch_;
    net::RouteMonitor routes_;
    Poller::Watch routes_watch_;
    Fd timer_;
    Poller::Watch timer_watch_;
    bool gathering_ = false;  // the timer runs
    Time gathered_;           // when it ran out last
    pid_t child_ = -1;
    Fd pidfd_;
    Poller::Watch child_watch_;
    std::set<int> risen_;     // interfaces that the next child tells of their addresses
    bool once_more_ = false;  // something has happened since the child began
    bool failed_ = true;      // what was tried last; also before anything was
};

}  // namespace fwctl::agent
