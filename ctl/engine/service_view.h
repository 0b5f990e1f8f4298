// The balanced services as they run, for people to look at.
//
// Promises: one consistent picture; nothing is changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/announce.h"
#include "engine/placed.h"
#include "engine/service_health.h"
#include "engine/store.h"
#include "policy/vip_merge.h"

namespace fwctl::engine {

struct BackendView {
    policy::Backend backend;
    std::uint32_t slots = 0;  // of the ring
    fw_backend_count count{};
    PlacedFlows placed;
    std::vector<std::string> live;  // what was edited live: "added", "state drain"
    BackendHealth health = BackendHealth::kUnchecked;
};

struct ServiceView {
    policy::Vip vip;
    std::string place;  // "policy.toml:12"; empty: no file has it
    std::uint32_t ring = 0;
    std::chrono::seconds transition_left{0};
    std::vector<BackendView> backends;
    fw_backend_count count{};           // of the backends together
    std::vector<policy::VipEdit> live;  // what was edited live, of backends too
    ServiceHealth health = ServiceHealth::kUnchecked;
    std::vector<Absence> unanswered;  // of its addresses
};

struct ServiceList {
    std::vector<ServiceView> services;  // by name
    std::vector<std::string> removed;   // live, though the policy has them
};

Result<ServiceList> list_services();
// An error with Exit::kUsage that names the nearest one where there is none of that name.
Result<ServiceView> show_service(const std::string& name);

}  // namespace fwctl::engine
