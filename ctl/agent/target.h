// What is checked: an address of a backend, as a service's health check has it; or an address of the service
// at one backend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "policy/model.h"

namespace fwctl::agent {

// A backend with an address of each family is two targets: one may serve while the other does not.
struct TargetId {
    std::string vip;
    std::string backend;
    policy::Prefix address;  // of the backend; a single one
    // The service's, where that is asked: the check goes to `address` as the service's packets do.
    std::optional<policy::Prefix> vip_address = {};

    [[nodiscard]] const policy::Prefix& asked() const { return vip_address ? *vip_address : address; }
    auto operator<=>(const TargetId&) const = default;
};

struct Target {
    TargetId id;
    std::uint16_t port = 0;  // not asked by kPing
    policy::Health health;
    std::uint32_t mark = 0;  // SO_MARK of its sockets, where id.vip_address is asked; else 0
    bool operator==(const Target&) const = default;
};

// All targets of a service, none where its health check is kNone, without their marks. Of the service's
// addresses the first one of each family is asked, of each backend. The port is that of the health check,
// else the lowest one that the service names, else 0: it names none.
std::vector<Target> targets_of(const policy::Vip& vip);

}  // namespace fwctl::agent
