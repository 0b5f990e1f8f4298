// What can be said of health checks without making one: their kinds, the keys that each of them has, the port
// that is asked, and their canonical form.
//
// Promises: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "policy/model.h"
#include "policy/value.h"

namespace fwctl::policy {

// All but kNone, each by the key that asks for it.
std::span<const Choice<HealthKind>> health_kinds();

// The kinds that a key of `health` belongs to: "http" and "https" for "status". Those of a kind belong to
// itself.
std::vector<std::string_view> kinds_with(std::string_view key);
bool has_key(HealthKind kind, std::string_view key);

// The one of the check, else the lowest one that the services name, else 0: they name none.
std::uint16_t checked_port(const Vip& vip, const Backend& backend);

// Puts in what absence means where that is not the same for all: without statuses the good ones are 200 to
// 399, and an answer is waited for no longer than to the next check. Sorts statuses; a check that is not made
// says nothing else.
Health canonical(Health health);

}  // namespace fwctl::policy
