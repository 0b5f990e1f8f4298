// What can be said of balanced services without a packet: their canonical form, the addresses and names that
// they can have, and which of them would balance the same packets.
//
// Promises: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// Of all services of a policy together.
inline constexpr std::size_t kMaxBackends = 4'095;

// Names are 1 to 63 of a-z 0-9 _ -.
Status check_vip_name(std::string_view name);

// Names are 1 to 63 of A-Z a-z 0-9 . _ -.
Status check_backend_name(std::string_view name);

// Addresses that packets from elsewhere can have; for a vip a block, too, of at least /8 or, in IPv6, /16.
Status check_vip_address(const Prefix& block);
Status check_backend_address(const Prefix& address);

// Whether the vip's way of forwarding reaches the backend: nat and full-nat keep the IP version of packets,
// and they alone change ports.
Status check_reachable(const Vip& vip, const Backend& backend);

// "10.0.0.11", or "10.0.0.11 port 8080".
std::string end_of_backend(const Prefix& address, const Backend& backend);

// nat and full-nat.
bool translates(Transport transport);

// A segment is told of single addresses alone.
Status check_announce(const Vip& vip);

// The vip that a [[test]] expects to balance its packet: "web" of "balance web".
std::optional<std::string_view> vip_of_expectation(std::string_view expect);

// Of a list that has each name once; nullptr: none is called so.
template <typename Entry>
const Entry* find_named(const std::vector<Entry>& all, std::string_view name) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Entry& entry) { return entry.name == name; });
    return found == all.end() ? nullptr : &*found;
}

// The one form of all that say the same: lists sorted, without duplicates and without what another entry
// covers; backends by name; health as canonical() of health.h has it.
Vip canonical(Vip vip);

// What two services of a list would both balance.
struct Overlap {
    std::size_t one = 0;  // indices; one < other
    std::size_t other = 0;
    Prefix block;  // the first of those that they share
    Service service;
};

// Each pair once. O(n log n), and O(1) for each two blocks of which one lies in the other.
std::vector<Overlap> find_overlaps(const std::vector<Vip>& vips);

}  // namespace fwctl::policy
