#include "agent/checker.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "agent/exec_probe.h"
#include "agent/http_probe.h"

namespace fwctl::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

}  // namespace

Checker::Checker(Clock clock, Sent sent, std::uint64_t seed, Ended ended, std::unique_ptr<Poller> poller,
                 Fd timer)
    : clock_(std::move(clock)),
      sent_(std::move(sent)),
      ended_(std::move(ended)),
      pace_(seed),
      tokens_(seed),
      poller_(std::move(poller)),
      timer_(std::move(timer)) {}

Checker::~Checker() = default;

Result<std::unique_ptr<Checker>> Checker::create(Clock clock, Sent sent, std::uint64_t seed, Ended ended) {
    auto poller = Poller::create();
    if (!poller) return tl::unexpected(poller.error());
    Fd timer(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer) return fail(fmt::format("cannot make a timer: {}", strerror(errno)));
    std::unique_ptr<Checker> checker(new Checker(std::move(clock), std::move(sent), seed, std::move(ended),
                                                 std::move(*poller), std::move(timer)));
    // It only ends the waiting: run_once() looks at the clock itself.
    auto watch = checker->poller_->watch(checker->timer_.get(), EPOLLIN, [](std::uint32_t) {});
    if (!watch) return tl::unexpected(watch.error());
    checker->timer_watch_ = std::move(*watch);
    auto http = HttpClient::create(*checker->poller_);
    if (!http) return tl::unexpected(http.error());
    checker->http_ = std::move(*http);
    checker->commands_ = std::make_unique<Commands>(*checker->poller_);
    return checker;
}

void Checker::set_targets(const std::vector<Target>& targets) {
    std::map<TargetId, Key> former;
    for (const auto& [key, checked] : all_) former.emplace(checked.target.id, key);
    for (const Target& target : targets) {
        const auto found = former.find(target.id);
        const bool stays = found != former.end() && all_.at(found->second).target.port == target.port;
        if (!stays) {
            add(target);
        } else {
            change(found->second, target);
            former.erase(found);
        }
    }
    for (const auto& [id, key] : former) remove(key);
    arm();
}

void Checker::add(const Target& target) {
    Checked& checked = all_[++last_key_];
    checked.target = target;
    schedule(last_key_, pace_.first(clock_(), target.health.every));
}

void Checker::remove(Key key) {
    agenda_.erase({all_.at(key).due, key});
    all_.erase(key);
}

void Checker::change(Key key, const Target& target) {
    Checked& checked = all_.at(key);
    if (checked.target == target) return;
    checked.target = target;
    checked.checking = false;
    checked.probe.reset();
    schedule(key, pace_.first(clock_(), target.health.every));
}

void Checker::schedule(Key key, Time due) {
    Checked& checked = all_.at(key);
    agenda_.erase({checked.due, key});
    checked.due = due;
    agenda_.emplace(due, key);
}

void Checker::arm() {
    itimerspec when{};  // all zero: not at all
    if (!agenda_.empty()) {
        const nanoseconds left = std::max(nanoseconds(1), nanoseconds(agenda_.begin()->first - clock_()));
        when.it_value.tv_sec = left.count() / 1'000'000'000;
        when.it_value.tv_nsec = left.count() % 1'000'000'000;
    }
    timerfd_settime(timer_.get(), 0, &when, nullptr);
}

std::vector<Event> Checker::run_once(milliseconds timeout) {
    // What has come in counts, however late it is read: so all of it before anybody's time is over. The
    // kernel lets descriptors take turns, so that so many rounds reach every target's.
    bool more = poller_->wait(timeout);
    take_outcomes();
    for (std::size_t reached = 0; more && reached < all_.size(); reached += Poller::kBatch) {
        more = poller_->wait(milliseconds(0));
        take_outcomes();
    }
    const Time now = clock_();
    while (!agenda_.empty() && agenda_.begin()->first <= now) turn(agenda_.begin()->second);
    take_outcomes();
    arm();
    return std::exchange(events_, {});
}

void Checker::turn(Key key) {
    Checked& checked = all_.at(key);
    if (checked.checking)
        end(key, silence(checked.target.health));
    else
        begin(key, checked);
}

void Checker::begin(Key key, Checked& checked) {
    checked.checking = true;
    checked.began = clock_();
    if (checked.target.mark != 0) checked.sent = sent_(checked.target.id);
    schedule(key, checked.began + checked.target.health.timeout);
    // Noted only: a probe must not go while it is telling.
    checked.probe = start(checked.target,
                          [this, key](Outcome outcome) { outcomes_.emplace_back(key, std::move(outcome)); });
}

std::unique_ptr<Probe> Checker::start(const Target& target, Done done) {
    using Kind = policy::HealthKind;
    switch (target.health.kind) {
        case Kind::kTcp:
            return start_tcp(*poller_, target, std::move(done));
        case Kind::kHttp:
        case Kind::kHttps:
            return http_->start(target, std::move(done));
        case Kind::kUdp:
            return start_udp(*poller_, target, std::move(done));
        case Kind::kPing:
            return start_ping(*poller_, target, tokens_(), std::move(done));
        case Kind::kExec:
            return commands_->start(target, std::move(done));
        case Kind::kNone:
            break;
    }
    return nullptr;
}

void Checker::take_outcomes() {
    for (const auto& [key, outcome] : std::exchange(outcomes_, {})) end(key, outcome);
}

void Checker::end(Key key, const Outcome& outcome) {
    Checked& checked = all_.at(key);
    if (!checked.checking) return;
    checked.checking = false;
    checked.probe.reset();
    schedule(key, pace_.next(checked.began, clock_(), checked.target.health.every));
    const Outcome found = confirmed(checked, outcome);
    ended_(found.finding, clock_() - checked.began);
    judge(checked, found);
}

// What has not come by the programs on its way out was not sent to the backend: whoever has answered, or has
// not, it says nothing of that.
Outcome Checker::confirmed(const Checked& checked, const Outcome& outcome) const {
    if (checked.target.mark == 0 || sent_(checked.target.id) != checked.sent) return outcome;
    return {Finding::kUnable,
            outcome.finding == Finding::kGood
                ? "its packets do not leave by an attached interface (tc-out)"
                : "its packets do not leave by an attached interface (tc-out): " + outcome.why};
}

void Checker::judge(Checked& checked, const Outcome& outcome) {
    if (outcome.finding == Finding::kUnable) {
        if (!checked.unable) events_.push_back({checked.target.id, Event::Kind::kUnable, outcome.why});
        checked.unable = true;
        return;
    }
    const bool good = outcome.finding == Finding::kGood;
    const bool changed = checked.state.note(good, checked.target.health);
    const bool up = checked.state.condition() == Condition::kUp;
    const bool agrees = up == good;
    if (changed || (checked.unable && agrees))
        events_.push_back({checked.target.id, up ? Event::Kind::kUp : Event::Kind::kDown, outcome.why});
    if (agrees) checked.unable = false;
}

}  // namespace fwctl::agent
