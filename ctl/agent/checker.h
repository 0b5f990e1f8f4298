// Health checks: thousands of targets, all in the thread that calls run_once().
//
// Promises: run_once() blocks for no longer than it was asked to. A target's checks never overlap; the first
// ones are spread over the period, later ones come a period, more or less a tenth, after each other. The
// clock and the seed are arguments: what happens when is theirs alone to say. Nothing is switched here:
// what follows from an event is the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/health_state.h"
#include "agent/pace.h"
#include "agent/poller.h"
#include "agent/probe.h"
#include "agent/target.h"
#include "base/fd.h"
#include "base/result.h"

namespace fwctl::agent {

class Commands;
class HttpClient;

// What is new of a target.
struct Event {
    enum class Kind : std::uint8_t {
        kUp,
        kDown,
        // Its checks cannot be made, and it stays what it was: told again by the first one that can be made
        // and finds it so.
        kUnable,
    };
    TargetId target;
    Kind kind = Kind::kUp;
    std::string why;  // "connection refused", "HTTP status 503", "no answer within 1s"
    bool operator==(const Event&) const = default;
};

class Checker {
public:
    using Clock = std::function<Time()>;

    // Of a target whose packets go by the way of its service: how many have gone there so far, a number that
    // comes around.
    using Sent = std::function<std::uint32_t(const TargetId&)>;

    // A check has ended, and has taken so long.
    using Ended = std::function<void(Finding finding, std::chrono::nanoseconds took)>;

    static Result<std::unique_ptr<Checker>> create(
        Clock clock, Sent sent, std::uint64_t seed, Ended ended = [](Finding, std::chrono::nanoseconds) {});
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;
    Checker(Checker&&) = delete;
    Checker& operator=(Checker&&) = delete;
    ~Checker();

    // From now on these are checked, in place of those before. What is known of a target with the same
    // address and port stays; so does its turn, and a check that is under way, unless its Health is another.
    // Of the Health, `every`, `timeout`, `rise` and `fall` are not zero and `kind` is not kNone; no two
    // targets have the same id.
    void set_targets(const std::vector<Target>& targets);

    // Readable when there is something to do, for the epoll of whoever calls run_once() then.
    [[nodiscard]] int fd() const { return poller_->fd(); }

    // Does what is to be done; first waits for it, no longer than `timeout`.
    std::vector<Event> run_once(std::chrono::milliseconds timeout);

private:
    struct Checked {
        Target target;
        HealthState state;
        bool unable = false;    // the last that was told
        bool checking = false;  // a check is under way
        std::unique_ptr<Probe> probe;
        std::uint32_t sent = 0;  // when the check under way began
        Time began;              // the check under way, or the last one
        Time due;                // when it begins; of a check under way: when its time is over
    };
    using Key = std::uint64_t;  // of a target for as long as it is checked: never given twice

    Checker(Clock clock, Sent sent, std::uint64_t seed, Ended ended, std::unique_ptr<Poller> poller,
            Fd timer);

    void add(const Target& target);
    void remove(Key key);
    void change(Key key, const Target& target);
    void schedule(Key key, Time due);
    void arm();

    void turn(Key key);
    void begin(Key key, Checked& checked);
    std::unique_ptr<Probe> start(const Target& target, Done done);
    void take_outcomes();
    void end(Key key, const Outcome& outcome);
    Outcome confirmed(const Checked& checked, const Outcome& outcome) const;
    void judge(Checked& checked, const Outcome& outcome);

    // In the order in which they need each other: probes go first.
    Clock clock_;
    Sent sent_;
    Ended ended_;
    Pace pace_;
    std::mt19937_64 tokens_;
    std::unique_ptr<Poller> poller_;
    Fd timer_;  // runs out when the first of the agenda is due
    Poller::Watch timer_watch_;
    std::unique_ptr<HttpClient> http_;
    std::unique_ptr<Commands> commands_;
    Key last_key_ = 0;
    std::unordered_map<Key, Checked> all_;
    std::set<std::pair<Time, Key>> agenda_;  // each target once
    std::vector<std::pair<Key, Outcome>> outcomes_;
    std::vector<Event> events_;
};

}  // namespace fwctl::agent
