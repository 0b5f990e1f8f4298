// The packets of a measurement: five-tuples, as the driver (vary.bpf.c) writes them and as the oracle sees
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "flow.h"
#include "generate/address.h"
#include "generate/random.h"
#include "policy/evaluate.h"
#include "policy/model.h"

namespace fwctl::bench {

inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kAck = 0x10;

struct Flow {
    policy::Family family = policy::Family::kIpv4;
    generate::Address source{};
    generate::Address destination{};
    std::uint8_t protocol = 0;
    std::uint16_t source_port = 0;
    std::uint16_t selector = 0;  // destination port, or ICMP type * 256 + code
    std::uint8_t tcp_flags = kSyn;
};
using Maker = std::function<Flow(generate::Random&)>;

// What the driver makes of it, with the interface that it comes in on.
policy::PacketView view_of(const Flow& flow, const std::string& interface);
bench_flow record_of(const Flow& flow);
bench_ipv6 addresses_of(const Flow& flow);

// TCP from any public address to any.
Maker any_flow(policy::Family family);
Maker ping();
// TCP with these flags, or UDP where that is the protocol, from any public IPv4 address to that one.
Maker clients_of(generate::Address destination, std::uint16_t port, std::uint8_t protocol,
                 std::uint8_t tcp_flags);
// UDP from any public IPv4 address to any, from and to ports that nothing else uses.
Maker datagrams();
// The source is in one of the prefixes; the list has to outlive the maker.
Maker listed(const std::vector<policy::Prefix>& prefixes);
// The source is in none of them. IPv4: any public address. IPv6: one of a /32 that the list names, as those
// are that are used.
Maker unlisted(const std::vector<policy::Prefix>& prefixes);
// Packets of that family at the rules' edges; `policy` and `context` have to outlive the maker.
Maker aimed(const policy::Policy& policy, const policy::Context& context, policy::Family family);

}  // namespace fwctl::bench
