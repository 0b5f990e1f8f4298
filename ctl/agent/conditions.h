// What follows from checks: the condition of each backend, as the kernel gets it (fwctl/abi/service.h).
//
// A backend fails when one of its addresses is down; while nothing is known of one, it is what it was before
// the agent began. When less than `panic` percent of a service's weight does not fail, all of it counts as
// up. One that comes up has its share withheld, from all of it to nothing within `slow_start`.
//
// Promises: pure; the time is an argument. What is known of an address stays while its service, backend,
// address and port do.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/checker.h"
#include "agent/health_state.h"
#include "agent/pace.h"
#include "agent/target.h"
#include "policy/model.h"

namespace fwctl::agent {

class Conditions {
public:
    // Of a backend, what the kernel has: of one that is new here the state from which it goes on.
    using Former = std::function<std::uint32_t(const std::string& vip, const std::string& backend)>;

    void set_vips(const std::vector<policy::Vip>& vips, const Former& former, Time now);

    // One of a target that is not there is left out. Returns whether the backend has begun or ceased to fail
    // by it.
    bool note(const Event& event, Time now);

    struct Wanted {
        std::string vip;
        std::string backend;
        std::uint32_t condition = 0;  // enum fw_backend_condition
        bool operator==(const Wanted&) const = default;
    };
    // Of all backends, those without a check too.
    [[nodiscard]] std::vector<Wanted> at(Time now) const;

    // By which a service gets its packets; what has changed of it is worth telling.
    enum class Mode : std::uint8_t {
        kNormal,
        kPanic,     // too few do not fail: all count as up
        kFallback,  // all fail, and those stand in that are for it
        kNone,      // all fail, and nobody stands in
    };
    [[nodiscard]] std::map<std::string, Mode> modes() const;

private:
    struct Member {
        std::string name;
        std::uint32_t weight = 0;  // that it takes flows by: 0 where it is not ready
        bool fallback = false;
        bool failed_before = false;            // as the kernel had it
        bool known_before = false;             // likewise
        std::optional<Time> came_up;           // after it had failed
        std::map<TargetId, Condition> states;  // of its addresses

        [[nodiscard]] bool fails() const;
        [[nodiscard]] bool known() const;
    };
    struct Service {
        policy::Vip vip;
        std::uint16_t port = 0;  // of its targets
        std::vector<Member> members;
    };

    static Service make(const policy::Vip& vip, const Former& former, Time now);
    static void keep(Service& service, Service& before);
    static bool in_panic(const Service& service);
    static std::uint32_t withheld(const Member& member, std::chrono::seconds slow_start, Time now);
    static Mode mode_of(const Service& service);

    std::map<std::string, Service> services_;  // by name
};

}  // namespace fwctl::agent
