#include "agent/agent.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "agent/log.h"
#include "fwctl/abi/service.h"
#include "policy/prefix.h"

namespace fwctl::agent {
namespace {

// Between two looks at the generation that holds.
constexpr auto kLookWhileChecking = std::chrono::milliseconds(250);
constexpr auto kLookWhileIdle = std::chrono::milliseconds(1000);
constexpr auto kBetweenSweeps = std::chrono::minutes(1);

Time now() {
    return std::chrono::steady_clock::now();
}

// What a service's packets come to; nothing where that goes without saying.
std::string mode_text(Conditions::Mode mode, Conditions::Mode before) {
    switch (mode) {
        case Conditions::Mode::kPanic:
            return "panic: too little of its weight is up, so that all backends count as up";
        case Conditions::Mode::kFallback:
            return "all backends are down; its fallback backends take their place";
        case Conditions::Mode::kNone:
            return "all backends are down";
        case Conditions::Mode::kNormal:
            break;
    }
    return before == Conditions::Mode::kPanic ? "the panic is over" : "back from its fallback";
}

}  // namespace

Agent::Agent(engine::AgentLock lock, std::unique_ptr<Poller> poller)
    : lock_(std::move(lock)), manager_(getenv), journal_(getenv), poller_(std::move(poller)) {}

Result<std::unique_ptr<Agent>> Agent::create(const ServerSettings& settings) {
    auto lock = engine::AgentLock::acquire();
    if (!lock) return tl::unexpected(lock.error());
    auto poller = Poller::create();
    if (!poller) return tl::unexpected(poller.error());
    std::unique_ptr<Agent> agent(new Agent(std::move(*lock), std::move(*poller)));
    if (auto watched = agent->watch_signals(); !watched) return tl::unexpected(watched.error());
    auto reporter = Reporter::create(*agent->poller_, settings);
    if (!reporter) return tl::unexpected(reporter.error());
    agent->reporter_ = std::move(*reporter);
    agent->reporter_->look(now());
    if (auto begun = agent->begin_checker(); !begun) return tl::unexpected(begun.error());
    auto follower = Follower::create(*agent->poller_);
    if (!follower) return tl::unexpected(follower.error());
    agent->follower_ = std::move(*follower);
    return agent;
}

Status Agent::watch_signals() {
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signals_ = Fd(signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return fail(std::string("cannot wait for signals: ") + strerror(errno));
    auto watch = poller_->watch(signals_.get(), EPOLLIN, [this](std::uint32_t) { ends_ = true; });
    if (!watch) return tl::unexpected(watch.error());
    signals_watch_ = std::move(*watch);
    return {};
}

Status Agent::begin_checker() {
    const auto sent = [this](const TargetId& id) {
        return services_.checks_sent(id.vip, id.backend, id.asked().family);
    };
    const auto ended = [&stats = reporter_->checks()](Finding finding, std::chrono::nanoseconds took) {
        stats.note(finding, took);
    };
    auto checker = Checker::create(now, sent, std::random_device()(), ended);
    if (!checker) return tl::unexpected(checker.error());
    checker_ = std::move(*checker);
    auto watch = poller_->watch(checker_->fd(), EPOLLIN, [this](std::uint32_t) { check(); });
    if (!watch) return tl::unexpected(watch.error());
    checker_watch_ = std::move(*watch);
    return {};
}

std::chrono::milliseconds Agent::pause() const {
    std::chrono::milliseconds pause = checking_ ? kLookWhileChecking : kLookWhileIdle;
    if (const auto watchdog = manager_.watchdog())
        pause = std::min(pause, std::chrono::duration_cast<std::chrono::milliseconds>(*watchdog) / 2);
    return pause;
}

Status Agent::run() {
    look();
    if (auto told = manager_.ready(); !told) log("{}", told.error().message);
    while (!ends_) {
        const auto due = std::chrono::ceil<std::chrono::milliseconds>(looked_ + pause() - now());
        (void)poller_->wait(std::max(due, std::chrono::milliseconds(0)));
        if (now() - looked_ < pause()) continue;
        look();
        reporter_->look(now());
        sweep();
        tell_alive();
    }
    (void)manager_.stopping();
    return {};
}

void Agent::tell_alive() {
    const auto watchdog = manager_.watchdog();
    if (!watchdog || now() - alive_ < *watchdog / 3) return;
    alive_ = now();
    if (auto told = manager_.alive(); !told) log("{}", told.error().message);
}

// A page of the table of placed flows, so that no check waits for all of it.
void Agent::sweep() {
    if (now() - swept_ < kBetweenSweeps) return;
    swept_ = now();
    if (auto swept = services_.sweep_placed(page_to_sweep_); !swept) log("{}", swept.error().message);
    page_to_sweep_ = (page_to_sweep_ + 1) % FW_PLACED_PAGES;
}

// State that cannot be read for now is told once, and looked at again.
void Agent::look() {
    looked_ = now();
    const auto changed = services_.look();
    const std::string trouble = changed ? "" : changed.error().message;
    if (trouble != trouble_ && !trouble.empty()) log("{}", trouble);
    trouble_ = trouble;
    if (changed && *changed) take_over();
    if (unsettled_) write();
}

// Another generation holds, or none any more.
void Agent::take_over() {
    conditions_.set_vips(
        services_.vips(),
        [this](const std::string& vip, const std::string& backend) {
            return services_.condition(vip, backend);
        },
        now());
    std::vector<Target> targets;
    for (const policy::Vip& vip : services_.vips())
        if (vip.enabled)
            for (Target& target : targets_of(vip)) {
                if (target.id.vip_address)
                    target.mark = services_.check_mark(target.id.vip, target.id.backend);
                targets.push_back(std::move(target));
            }
    checking_ = !targets.empty();
    checker_->set_targets(targets);
    write();
    tell_modes();
    if (!services_.attached()) {
        snapshot_.clear();
        return;
    }
    if (std::exchange(snapshot_, services_.snapshot()) != services_.snapshot())
        follower_->policy_changed();
    else
        follower_->generation_changed();
}

void Agent::check() {
    bool any = false;
    for (const Event& event : checker_->run_once(std::chrono::milliseconds(0))) {
        tell_event(event, conditions_.note(event, now()));
        any = true;
    }
    if (!any) return;
    write();
    tell_modes();
}

void Agent::write() {
    unsettled_ = false;
    if (!services_.attached()) return;
    for (const Conditions::Wanted& one : conditions_.at(now())) {
        const bool written = services_.set_condition(one.vip, one.backend, one.condition);
        unsettled_ = unsettled_ || !written || one.condition >> FW_CONDITION_WITHHELD_SHIFT != 0;
    }
}

void Agent::tell_event(const Event& event, bool changed) const {
    const std::string who = fmt::format("vip {}: backend {}", event.target.vip, event.target.backend);
    const std::string address = policy::format_prefix(event.target.asked());
    const auto tell = [&](observe::Priority priority, const char* kind, const std::string& text) {
        journal_.tell({priority,
                       kind,
                       text,
                       {{"VIP", event.target.vip},
                        {"BACKEND", event.target.backend},
                        {"ADDRESS", address},
                        {"WHY", event.why}}});
    };
    if (event.kind == Event::Kind::kUnable)
        tell(observe::Priority::kWarning, "backend-unchecked",
             fmt::format("{} cannot be checked at {}: {}", who, address, event.why));
    else if (event.kind == Event::Kind::kDown)
        tell(observe::Priority::kWarning, changed ? "backend-down" : "backend-fails",
             fmt::format("{} {}: {}", who, changed ? "is down" : "still fails at " + address, event.why));
    else if (changed)
        tell(observe::Priority::kNotice, "backend-up", who + " is up");
}

void Agent::tell_modes() {
    const auto modes = conditions_.modes();
    for (const auto& [vip, mode] : modes) {
        const auto before = modes_.contains(vip) ? modes_.at(vip) : Conditions::Mode::kNormal;
        if (mode != before)
            journal_.tell(
                {mode == Conditions::Mode::kNormal ? observe::Priority::kNotice : observe::Priority::kWarning,
                 "service",
                 fmt::format("vip {}: {}", vip, mode_text(mode, before)),
                 {{"VIP", vip}}});
    }
    modes_ = modes;
}

}  // namespace fwctl::agent
