// What happens to packets, as it happens, in words.
//
// Promises: what holds is read again whenever another generation holds, without a lock. A packet is told by
// the names of the generation that judged it, also when that is over by the time it is told. Of one that
// nobody has seen, or that was too long ago, rules and backends have no names, rather than wrong ones.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "compile/numbers.h"
#include "engine/current_store.h"
#include "engine/listener.h"
#include "engine/verdict.h"
#include "policy/packet_text.h"

namespace fwctl::engine {

struct Event {
    std::chrono::system_clock::time_point time;
    const Reason* reason = nullptr;        // of its verdict; nullptr: it is told of something else
    const Happening* happening = nullptr;  // of that
    policy::PacketText packet;
    std::uint32_t length = 0;  // of the frame
    std::string rule;          // that decided, or has logged it; empty: none
    std::string vip;           // of a packet that went to a backend, or came from one
    std::string backend;
    kernel::Frame frame;  // of who wanted bytes; there during the call that hands it over
};

class Events {
public:
    // Errors: Exit::kNotAttached when nothing is attached, and as Listener::open().
    static Result<Events> open(const Wanted& wanted);

    // Whether one that holds has the name.
    [[nodiscard]] bool has_rule(const std::string& name) const;
    [[nodiscard]] bool has_vip(const std::string& name) const;

    // What is attached, of the generation that holds.
    [[nodiscard]] std::vector<Attachment> attachments() const;

    // Which events are worth their words; false: this one is not.
    using Choose = std::function<bool(const fw_event&, const kernel::Frame&)>;
    // False: no more for now.
    using Use = std::function<bool(const Event&)>;
    // Waits at most so long for the first one. An error with Exit::kNotAttached when what was attached is
    // not any more.
    Status read(std::chrono::milliseconds wait, const Use& use, const Choose& choose = {});
    // As Listener has them.
    void thin_to(std::uint32_t one_of) { listener_.thin_to(one_of); }
    [[nodiscard]] Result<std::uint64_t> lost() { return listener_.lost(); }
    [[nodiscard]] bool stood_still() { return listener_.stood_still(); }

private:
    Events(CurrentStore store, Listener listener);
    // What held at a time.
    struct Known {
        Store::Holding holding{};
        std::map<std::uint32_t, std::string> rules;       // by their counters
        std::map<std::uint32_t, Attachment> attachments;  // by their slots
        compile::Numbers numbers;
    };
    Status look();
    const Known* known_at(std::uint32_t generation);
    Event put_into_words(const fw_event& event);

    CurrentStore store_;
    Listener listener_;
    std::chrono::system_clock::time_point began_;  // the clock that events are timed by
    std::deque<Known> known_;                      // the newest one first
};

}  // namespace fwctl::engine
