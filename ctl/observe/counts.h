// All that is counted in a network namespace, read again and again.
//
// Promises: no lock is taken and nothing is changed. Names are of the generation that held while their
// numbers were read, and are kept while it holds: of a policy of a million rules only the counters are read
// again. What was detached and attached again in between is found again.
// Does not promise: that numbers were read in one instant. Packets go on while they are.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/current_store.h"
#include "engine/placed.h"
#include "engine/service_health.h"
#include "kernel/tick_clock.h"
#include "policy/model.h"

namespace fwctl::observe {

struct NamedRule {
    std::size_t number = 0;  // from 1: the order in which the rules are asked
    std::string name;
    policy::Origin origin = policy::Origin::kFile;
    policy::Action action = policy::Action::kDeny;
    std::string says;  // "deny udp/9 on eth0 in"
    std::uint32_t counter = 0;
};
using NamedRules = std::vector<NamedRule>;

struct InterfaceCounts {
    std::string name;
    std::uint32_t slot = 0;
    std::uint32_t counters_id = 0;  // of the map: counters that began anew have another one
    std::array<fw_counters, FW_DIRECTIONS> counters{};  // since it is attached: they never go back
    std::array<fw_counters, FW_DIRECTIONS> bases{};     // what of that was counted before the last reset
    [[nodiscard]] fw_counters since_reset(fw_direction direction) const {
        return engine::since(bases[direction], counters[direction]);
    }
};

struct SetCounts {
    std::string name;
    std::uint64_t members = 0;  // with blocks whose time is over and that nobody has taken out yet
    std::uint64_t size = 0;
    std::uint64_t banned = 0;    // members that rules have put in
    std::uint64_t replaced = 0;  // that gave way to others as the set was full
    std::uint64_t refused = 0;   // that found no room, or a bucket that was locked for too long
};

struct BackendCounts {
    std::string name;
    engine::BackendHealth health = engine::BackendHealth::kUnchecked;
    fw_backend_count count{};
    std::uint64_t active = 0;  // flows
};

struct ServiceCounts {
    std::string name;  // of the VIP
    engine::ServiceHealth health = engine::ServiceHealth::kUnchecked;
    std::vector<BackendCounts> backends;
    [[nodiscard]] fw_backend_count sum() const;
    [[nodiscard]] std::uint64_t active() const;
};

struct TrackingCounts {
    std::uint64_t room = 0;       // for confirmed flows; 0: no rule asks for the state of flows
    std::uint64_t confirmed = 0;  // flows that are
    std::uint64_t fresh = 0;      // the others
    fw_flow_counts counts{};
};

struct Counts {
    std::chrono::system_clock::time_point time;
    std::uint64_t clock = 0;  // the same in nanoseconds of CLOCK_MONOTONIC
    kernel::TickClock ticks;  // that rules note times by
    std::uint32_t generation = 0;
    std::vector<InterfaceCounts> interfaces;
    std::shared_ptr<const NamedRules> rules = std::make_shared<NamedRules>();
    std::vector<fw_rule_count> rule_counts;  // in the order of the rules; since a rule is there
    std::vector<fw_count> rule_bases;        // what of that was counted before the last reset
    std::vector<SetCounts> sets;             // the dynamic ones
    std::vector<ServiceCounts> services;
    TrackingCounts tracking;

    [[nodiscard]] fw_count rule_since_reset(std::size_t rule) const;
    // When a packet met the rule last; nullopt: never since it was given its counter.
    [[nodiscard]] std::optional<std::chrono::system_clock::time_point> last_hit(std::size_t rule) const;
};

// What is read beside interfaces: what nobody wants to see costs nothing.
struct Parts {
    bool rules = true;
    bool sets = true;      // looks through their tables: 25 ms for a million members
    bool services = true;  // looks through the table of placed flows
    bool tracking = true;  // looks through the flow table
};
inline constexpr Parts kInterfacesAlone{.rules = false, .sets = false, .services = false, .tracking = false};
inline constexpr Parts kRulesAlone{.rules = true, .sets = false, .services = false, .tracking = false};

// Whether an attachment, by its name, is meant.
using InterfaceFilter = std::function<bool(const std::string& name)>;

class CountReader {
public:
    CountReader();
    ~CountReader();
    CountReader(const CountReader&) = delete;
    CountReader& operator=(const CountReader&) = delete;
    CountReader(CountReader&&) noexcept;
    CountReader& operator=(CountReader&&) noexcept;

    // An error with Exit::kNotAttached when nothing is attached; it may be at the next time.
    Result<Counts> read(const Parts& parts = {});
    // Has the counters of these interfaces, and those of the rules, begin anew at zero for since_reset();
    // returns them as they were. Nothing that is counted meanwhile is lost: what one reset returns is counted
    // in no other one. Takes the Lock.
    Result<Counts> reset(const InterfaceFilter& is_meant, bool rules);

private:
    struct Known;
    Status find_store();
    Status know(const Parts& parts);
    Status count_packets(const Parts& parts, Counts& counts) const;
    Status count_tables(const Parts& parts, Counts& counts) const;
    Result<Counts> look(const Parts& parts);
    [[nodiscard]] Status store_bases(const Counts& counts, const InterfaceFilter& is_meant, bool rules) const;

    engine::CurrentStore store_;
    std::unique_ptr<Known> known_;
};

}  // namespace fwctl::observe
