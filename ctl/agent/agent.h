// The agent of one network namespace: checks backends and gives their conditions to the kernel, attaches
// interfaces that appear, keeps addresses announced, follows the routes to backends, and tells metrics.
//
// Promises: no packet needs it. When it ends, however, the last conditions stay; the next one goes on from
// them. It runs until SIGTERM or SIGINT.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/checker.h"
#include "agent/conditions.h"
#include "agent/follower.h"
#include "agent/journal.h"
#include "agent/notify.h"
#include "agent/poller.h"
#include "agent/reporter.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/server_settings.h"
#include "engine/agent_lock.h"
#include "engine/service_watch.h"

namespace fwctl::agent {

class Agent {
public:
    // An error with Exit::kConflict where there is one already.
    static Result<std::unique_ptr<Agent>> create(const ServerSettings& settings);
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    Agent(Agent&&) = delete;
    Agent& operator=(Agent&&) = delete;
    ~Agent() = default;

    Status run();

private:
    Agent(engine::AgentLock lock, std::unique_ptr<Poller> poller);
    Status begin_checker();
    Status watch_signals();

    [[nodiscard]] std::chrono::milliseconds pause() const;
    void look();
    void take_over();
    void check();
    void write();
    void tell_event(const Event& event, bool changed) const;
    void tell_modes();
    void tell_alive();
    void sweep();

    engine::AgentLock lock_;
    ServiceManager manager_;
    Journal journal_;
    std::unique_ptr<Poller> poller_;
    std::unique_ptr<Reporter> reporter_;
    std::unique_ptr<Checker> checker_;
    std::unique_ptr<Follower> follower_;
    Fd signals_;
    Poller::Watch signals_watch_;
    Poller::Watch checker_watch_;
    engine::ServiceWatch services_;
    Conditions conditions_;
    std::map<std::string, Conditions::Mode> modes_;  // that were told
    std::string snapshot_;
    std::string trouble_;     // that was told of the state; empty: there is none
    bool checking_ = false;   // anything
    bool unsettled_ = false;  // a condition changes by the time alone, or could not be written
    bool ends_ = false;
    Time looked_;
    Time alive_;
    Time swept_;
    std::uint32_t page_to_sweep_ = 0;
};

}  // namespace fwctl::agent
