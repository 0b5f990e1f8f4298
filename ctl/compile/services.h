// Balanced services become words of the front's bank: include/fwctl/abi/service.h.
//
// Promises: pure. A ring depends on the set of its backends alone (compile/maglev.h). A slot that has another
// backend than before remembers the former one until the service's transition is over; when it moves again
// meanwhile, the last one.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "compile/bank.h"
#include "compile/numbers.h"
#include "fwctl/abi/service.h"
#include "policy/model.h"

namespace fwctl::compile {

// The way from here to an address.
struct WayOut {
    std::uint32_t ifindex = 0;              // 0: there is none
    std::array<std::uint8_t, 16> source{};  // that it is sent from; IPv4 in the first four bytes
};

// A ring as it lies in the kernel.
struct RunningRing {
    std::vector<std::uint32_t> slots;  // as fw_service.ring
    std::uint32_t former_until = 0;
};

struct ServicesInput {
    std::span<const policy::Vip> vips;
    const policy::Decapsulate& decapsulate;
    std::function<WayOut(const policy::Prefix&)> way_to;
    std::map<std::string, RunningRing> running;  // by the name of the VIP
    std::uint32_t now = 0;                       // in ticks of FW_PLACED_TICK_SHIFT
};

// `numbers`: those that hold; from then on those of the services, with their places.
Status put_services(const ServicesInput& input, Bank& bank, Numbers& numbers, fw_services& services);

// By slot the number of the backend that gets new flows; the numbers are those of `numbers`.
std::vector<std::uint16_t> ring_of(const policy::Vip& vip, const Numbers& numbers);

}  // namespace fwctl::compile
