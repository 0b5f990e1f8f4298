#include "agent/follower.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "agent/log.h"
#include "engine/follow.h"

namespace fwctl::agent {
namespace {

constexpr std::chrono::milliseconds kGathering(500);
constexpr std::chrono::seconds kBetween(5);

// In the child. Whatever kills it, the next command cleans up behind it.
int follow_and_tell(const std::set<int>& risen) {
    const auto followed = engine::follow(risen);
    if (!followed) {
        log("following interfaces: {}", followed.error().message);
        return 1;
    }
    for (const engine::AttachOutcome& one : followed->attached)
        if (one.change != engine::AttachChange::kUnchanged) log("interface {}: attached", one.interface);
    for (const std::string& name : followed->forgotten)
        log("interface {}: forgotten, as its device is gone", name);
    for (const engine::Announced& one : followed->announced)
        log("interface {}: announces {} of vip {} again", one.device, one.address.text(), one.vip);
    for (const engine::Way& way : followed->ways)
        log("vip {}: backend {} is sent to from {} now", way.vip, way.backend, engine::source_text(way));
    return 0;
}

[[noreturn]] void be_the_child(pid_t parent, const std::set<int>& risen) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (getppid() != parent) _exit(1);
    _exit(follow_and_tell(risen));
}

}  // namespace

Result<std::unique_ptr<Follower>> Follower::create(Poller& poller) {
    auto monitor = net::LinkMonitor::open();
    if (!monitor) return tl::unexpected(monitor.error());
    auto routes = net::RouteMonitor::open();
    if (!routes) return tl::unexpected(routes.error());
    Fd timer(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer) return fail(fmt::format("cannot make a timer: {}", strerror(errno)));
    std::unique_ptr<Follower> follower(
        new Follower(poller, std::move(*monitor), std::move(*routes), std::move(timer)));
    if (auto watched = follower->watch(); !watched) return tl::unexpected(watched.error());
    return follower;
}

Status Follower::watch() {
    auto interfaces = poller_.watch(monitor_.fd(), EPOLLIN, [this](std::uint32_t) { interfaces_told(); });
    auto routes = poller_.watch(routes_.fd(), EPOLLIN, [this](std::uint32_t) { routes_told(); });
    auto timer = poller_.watch(timer_.get(), EPOLLIN, [this](std::uint32_t) { routes_gathered(); });
    if (!interfaces) return tl::unexpected(interfaces.error());
    if (!routes) return tl::unexpected(routes.error());
    if (!timer) return tl::unexpected(timer.error());
    monitor_watch_ = std::move(*interfaces);
    routes_watch_ = std::move(*routes);
    timer_watch_ = std::move(*timer);
    return {};
}

Follower::~Follower() {
    if (child_ < 0) return;
    kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
}

void Follower::policy_changed() {
    begin();
}

void Follower::generation_changed() {
    if (failed_) begin();
}

void Follower::interfaces_told() {
    const auto change = monitor_.changed();
    if (!change) {
        log("following interfaces: {}", change.error().message);
        return;
    }
    risen_.insert(change->risen.begin(), change->risen.end());
    if (change->others || !change->risen.empty()) begin();
}

void Follower::routes_told() {
    routes_.clear();
    if (gathering_) return;
    gathering_ = true;
    const Time now = std::chrono::steady_clock::now();
    const auto wait = std::max<std::chrono::nanoseconds>(kGathering, gathered_ + kBetween - now);
    itimerspec when{};
    when.it_value.tv_sec = wait.count() / 1'000'000'000;
    when.it_value.tv_nsec = wait.count() % 1'000'000'000;
    timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void Follower::routes_gathered() {
    std::uint64_t times = 0;
    if (read(timer_.get(), &times, sizeof(times)) < 0) return;
    gathering_ = false;
    gathered_ = std::chrono::steady_clock::now();
    begin();
}

void Follower::begin() {
    once_more_ = child_ >= 0;
    if (once_more_) return;
    const pid_t parent = getpid();
    child_ = fork();
    if (child_ == 0) be_the_child(parent, risen_);
    if (child_ < 0) {
        log("following interfaces: {}", strerror(errno));
        failed_ = true;
        return;
    }
    risen_.clear();
    pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, child_, 0)));
    auto watch = poller_.watch(pidfd_.get(), EPOLLIN, [this](std::uint32_t) { ended(); });
    if (watch)
        child_watch_ = std::move(*watch);
    else
        ended();
}

void Follower::ended() {
    child_watch_ = {};
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    pidfd_ = {};
    failed_ = status != 0;
    if (once_more_) begin();
}

}  // namespace fwctl::agent
