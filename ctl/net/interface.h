// The interfaces of this network namespace, from the kernel by libnl-3.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace fwctl::net {

// What a device's packets start with (ARPHRD_*, linux/if_arp.h).
enum class LinkLayer { kEthernet, kIp, kUnknown };

struct Interface {
    int ifindex = 0;
    std::string name;
    std::string kind;  // "bridge", "veth", "tun" …; empty for hardware and loopback
    LinkLayer link = LinkLayer::kUnknown;
    unsigned link_type = 0;  // ARPHRD_*
    unsigned mtu = 0;
    bool up = false;
    bool running = false;               // up, and its cable is plugged in
    std::uint32_t carrier_changes = 0;  // how often that was pulled or plugged in
    bool loopback = false;
    int master = 0;                     // ifindex of the bridge or bond that this is a port of; 0: none
    std::array<std::uint8_t, 6> mac{};  // zero without a link header
};

// All of them, in the order of their indices.
Result<std::vector<Interface>> list_interfaces();

const Interface* find_interface(const std::vector<Interface>& interfaces, const std::string& name);
const Interface* find_interface(const std::vector<Interface>& interfaces, int ifindex);

// Whether the interface has a clsact qdisc.
Result<bool> has_clsact(int ifindex);

// Whether a clsact or ingress qdisc of the interface has filters, anyone's.
Result<bool> has_tc_filters(int ifindex);

// The handle of the filter on clsact that is asked first; nullopt when there is none.
Result<std::optional<std::uint32_t>> first_tc_filter(int ifindex, bool egress);

// The name of the interface that has the address, as text; empty when none has.
std::string interface_with_address(const std::string& address);

}  // namespace fwctl::net
