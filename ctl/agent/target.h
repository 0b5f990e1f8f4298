// What is checked: an address of a backend, as a service's health check has it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/model.h"

namespace fwctl::agent {

// A backend with an address of each family is two targets: one may serve while the other does not.
struct TargetId {
    std::string vip;
    std::string backend;
    policy::Prefix address;  // a single one
    auto operator<=>(const TargetId&) const = default;
};

struct Target {
    TargetId id;
    std::uint16_t port = 0;  // not asked by kPing
    policy::Health health;
    bool operator==(const Target&) const = default;
};

// All targets of a service, none where its health check is kNone. The port is that of the health check, else
// the lowest one that the service names, else 0: it names none.
std::vector<Target> targets_of(const policy::Vip& vip);

}  // namespace fwctl::agent
