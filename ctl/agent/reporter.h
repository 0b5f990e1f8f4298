// Tells of the network namespace to whoever asks, and of what happens there to the journal, in a process of
// its own: what is asked from outside, however slowly or often, keeps no health check waiting, and what goes
// wrong there ends nothing else.
//
// Promises: the sockets are there from create() on, and stay the same ones when the process is made anew,
// which happens within a second or two of its end. It ends with the agent, however that ends.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/check_stats.h"
#include "agent/pace.h"
#include "agent/poller.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/server_settings.h"

namespace fwctl::agent {

class Reporter {
public:
    static Result<std::unique_ptr<Reporter>> create(Poller& poller, ServerSettings settings);
    Reporter(const Reporter&) = delete;
    Reporter& operator=(const Reporter&) = delete;
    Reporter(Reporter&&) = delete;
    Reporter& operator=(Reporter&&) = delete;
    ~Reporter();

    // Where the agent notes its checks, for the process to tell of.
    [[nodiscard]] CheckStats& checks() const { return *checks_; }

    // Begins the process, also again when it has ended.
    void look(Time now);

private:
    struct Unmap {
        void operator()(CheckStats* stats) const;
    };
    using SharedStats = std::unique_ptr<CheckStats, Unmap>;

    Reporter(Poller& poller, ServerSettings settings, SharedStats checks)
        : poller_(poller), settings_(std::move(settings)), checks_(std::move(checks)) {}
    static Result<SharedStats> share();
    Status listen();
    void ended();

    Poller& poller_;
    ServerSettings settings_;
    SharedStats checks_;
    std::string path_;  // of the socket that is there
    std::vector<Fd> sockets_;
    pid_t child_ = -1;
    Fd pidfd_;
    Poller::Watch child_watch_;
    Time began_;
};

}  // namespace fwctl::agent
