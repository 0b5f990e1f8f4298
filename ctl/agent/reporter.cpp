#include "agent/reporter.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <utility>

#include "agent/log.h"
#include "agent/privilege.h"
#include "agent/report.h"
#include "engine/agent_lock.h"
#include "engine/library.h"
#include "net/listen.h"

namespace fwctl::agent {
namespace {

constexpr std::chrono::seconds kBetweenBegins(1);

// What else the agent has open is not this process's to hold: the other end of a check would not see its end.
void close_all_but(std::vector<int> kept) {
    std::sort(kept.begin(), kept.end());
    unsigned first = STDERR_FILENO + 1;
    for (const int fd : kept) {
        if (static_cast<unsigned>(fd) > first) close_range(first, static_cast<unsigned>(fd) - 1, 0);
        first = static_cast<unsigned>(fd) + 1;
    }
    close_range(first, ~0U, 0);
}

// What strangers make of it does as little as can be.
Status give_up_the_rest(CheckStats& checks) {
    if (mprotect(&checks, sizeof(checks), PROT_READ) != 0)
        return fail(fmt::format("cannot protect memory: {}", strerror(errno)));
    (void)engine::Library::open();  // finds out where it is, which it cannot later
    return keep_what_reporting_needs();
}

// SIGTERM and SIGINT, which the whole group may get, stay blocked: the agent ends it.
[[noreturn]] void be_the_reporter(pid_t parent, const ServerSettings& settings,
                                  const std::vector<int>& sockets, CheckStats& checks) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    close_all_but(sockets);
    Status ended = give_up_the_rest(checks);
    if (ended) ended = report(settings, sockets, checks);
    log("reporting: {}", ended.error().message);
    _exit(1);
}

}  // namespace

void Reporter::Unmap::operator()(CheckStats* stats) const {
    munmap(stats, sizeof(CheckStats));
}

Result<Reporter::SharedStats> Reporter::share() {
    void* memory =
        mmap(nullptr, sizeof(CheckStats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail(fmt::format("cannot map memory: {}", strerror(errno)));
    return SharedStats(new (memory) CheckStats);
}

Result<std::unique_ptr<Reporter>> Reporter::create(Poller& poller, ServerSettings settings) {
    auto checks = share();
    if (!checks) return tl::unexpected(checks.error());
    std::unique_ptr<Reporter> reporter(new Reporter(poller, std::move(settings), std::move(*checks)));
    if (auto listening = reporter->listen(); !listening) return tl::unexpected(listening.error());
    return reporter;
}

Status Reporter::listen() {
    for (const std::string& text : settings_.listen) {
        auto endpoint = net::parse_endpoint(text);
        if (!endpoint) return tl::unexpected(endpoint.error());
        auto made = net::listen_tcp(*endpoint);
        if (!made) return tl::unexpected(made.error());
        sockets_.push_back(std::move(*made));
    }
    if (settings_.socket.empty()) {
        auto path = engine::agent_socket();
        if (!path) return tl::unexpected(path.error());
        settings_.socket = std::move(*path);
    }
    auto made = net::listen_unix(settings_.socket, settings_.group);
    if (!made) return tl::unexpected(made.error());
    sockets_.push_back(std::move(*made));
    path_ = settings_.socket;
    return {};
}

Reporter::~Reporter() {
    if (!path_.empty()) unlink(path_.c_str());
    if (child_ < 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
}

void Reporter::look(Time now) {
    if (child_ >= 0 || now - began_ < kBetweenBegins) return;
    began_ = now;
    std::vector<int> sockets;
    for (const Fd& one : sockets_) sockets.push_back(one.get());
    const pid_t parent = getpid();
    child_ = fork();
    if (child_ == 0) be_the_reporter(parent, settings_, sockets, *checks_);
    if (child_ < 0) {
        log("reporting: {}", strerror(errno));
        return;
    }
    pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, child_, 0)));
    auto watch = poller_.watch(pidfd_.get(), EPOLLIN, [this](std::uint32_t) { ended(); });
    if (watch) child_watch_ = std::move(*watch);
}

void Reporter::ended() {
    child_watch_ = {};
    int status = 0;
    waitpid(std::exchange(child_, -1), &status, 0);
    pidfd_ = {};
    log("reporting has ended{}, and begins again",
        WIFSIGNALED(status) ? fmt::format(" by signal {}", WTERMSIG(status)) : "");
}

}  // namespace fwctl::agent
