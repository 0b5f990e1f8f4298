// What packets pay for, and so is looked at only while somebody asks for it: who sends most, and a sample of
// the packets that are dropped or logged.
//
// Promises: kPatience after the last question nothing listens any more. Bounded: kTalkers sources, of packets
// what Sampling shows in each of the last kSeconds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/events.h"
#include "observe/ears.h"
#include "observe/sampling.h"

namespace fwctl::observe {

// Leaves those that have sent at least as much as anybody may have who was not listed, and of them so many:
// in a flood from everywhere the others just came by last. `unlisted` then holds for whoever is left out.
void keep_outstanding(engine::TalkerList& list, std::size_t most);

class Closeup {
public:
    using Time = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::seconds kPatience{5};
    static constexpr std::size_t kTalkers = 20;
    static constexpr std::size_t kSeconds = 10;

    // Packets between two looks; such of which there are none are left out.
    struct Second {
        std::uint64_t number = 0;
        std::vector<engine::Event> shown;  // without their bytes
        std::uint64_t more = 0;
        bool is_estimate = false;  // `more`
        bool stood_still = false;  // this process did, and nobody knows how many there were then
    };

    // Somebody wants to see it.
    void ask(Time now) { asked_ = now; }
    // Once a second or so.
    void look(Time now);

    // Outstanding ones, kTalkers at most; nullopt: not looked at yet.
    [[nodiscard]] const std::optional<TalkerRates>& talkers() const { return talkers_; }
    [[nodiscard]] const std::deque<Second>& seconds() const { return seconds_; }
    // Why it cannot be looked at; empty: it can, or nothing is attached.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

private:
    Status open();
    void close();
    Status look_at_talkers();
    Status look_at_packets();

    std::optional<Time> asked_;
    std::optional<TalkerEars> ears_;
    std::optional<engine::Events> events_;
    Sampling sampling_;
    std::uint64_t lost_ = 0;  // events, as far as it was told
    std::optional<TalkerRates> talkers_;
    std::deque<Second> seconds_;
    std::uint64_t last_ = 0;  // number
    std::string trouble_;
};

}  // namespace fwctl::observe
