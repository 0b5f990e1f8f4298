// A packet view as the bytes that an interface of that kind would bring.
//
// Promises: lengths, header and layer-4 checksums are right; what a view does not say is zero, or the least
// surprising value there is. A first fragment has more to come, a later one stands at offset 800.
#pragma once

#include <cstdint>
#include <vector>

#include "fwctl/abi/packet.h"
#include "policy/evaluate.h"

namespace fwctl::engine {

// The source address of frames whose view says none: a locally administered one (IEEE 802, section 8).
inline constexpr std::uint64_t kDefaultMac = 0x020000000001;

// `packet` is one that can be on a wire, see policy/packet_text.h. Without Ethernet its tag and hardware
// address do not count.
std::vector<std::uint8_t> make_frame(const policy::PacketView& packet, fw_link link);

}  // namespace fwctl::engine
