// The oracle: which rule decides about a packet, asked in the slowest and most obvious way.
//
// Promises: no state, no shortcut. Tests compare the compiled classifier with it; nothing at run time uses
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "policy/model.h"

namespace fwctl::policy {

// What the parser found in a packet. Numbers in host byte order, addresses in network byte order.
struct PacketView {
    std::optional<Family> family;  // absent: not IP, only `ethertype` counts
    std::uint16_t ethertype = 0;
    std::uint8_t protocol = 0;  // behind all extension headers
    std::array<std::uint8_t, 16> source{};
    std::array<std::uint8_t, 16> destination{};
    bool has_l4 = false;  // the two below are valid: never so in a later fragment
    std::uint16_t source_port = 0;
    std::uint16_t selector = 0;            // destination port, or ICMP type * 256 + code
    Direction direction = Direction::kIn;  // kIn or kOut
    std::string interface;
    std::uint64_t now = 0;  // nanoseconds of CLOCK_MONOTONIC
};

// The rules that the parser judges match nothing here.
bool matches(const Rule& rule, const PacketView& packet);

// The index of the first rule that matches; nullopt: the default decides.
std::optional<std::size_t> first_match(const Policy& policy, const PacketView& packet);

}  // namespace fwctl::policy
