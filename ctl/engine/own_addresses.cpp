#include "engine/own_addresses.h"

#include "net/address.h"
#include "policy/prefix.h"

namespace fwctl::engine {

Result<std::set<policy::Prefix>> own_addresses() {
    const auto held = net::list_addresses();
    if (!held) return tl::unexpected(held.error());
    std::set<policy::Prefix> own;
    for (const net::HeldAddress& one : *held) {
        policy::Prefix prefix;
        prefix.family = one.address.ipv6 ? policy::Family::kIpv6 : policy::Family::kIpv4;
        prefix.length = policy::address_bits(prefix.family);
        prefix.address = one.address.address;
        own.insert(prefix);
    }
    return own;
}

}  // namespace fwctl::engine
