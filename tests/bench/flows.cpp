#include "flows.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "generate/packets.h"
#include "policy/prefix.h"

namespace fwctl::bench {

using generate::Address;
using generate::Random;
using policy::Family;
using policy::PacketView;
using policy::Prefix;

namespace {

bool is_icmp(const Flow& flow) {
    return flow.protocol == (flow.family == Family::kIpv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6});
}

bool has_ports(const Flow& flow) {
    return flow.protocol == IPPROTO_TCP || flow.protocol == IPPROTO_UDP || flow.protocol == IPPROTO_SCTP;
}

Address public_address(Family family, Random& random) {
    Prefix block{family, 3, {}};
    block.address[0] = 0x20;
    if (family == Family::kIpv4) {
        block.length = 8;
        block.address[0] = static_cast<std::uint8_t>(random.between(1, 223));
    }
    return generate::any_of(block, random);
}

Flow tcp_to_any(Family family, Random& random) {
    Flow flow;
    flow.family = family;
    flow.destination = public_address(family, random);
    flow.protocol = IPPROTO_TCP;
    flow.source_port = static_cast<std::uint16_t>(random.between(1024, 65535));
    flow.selector = static_cast<std::uint16_t>(random.below(65536));
    return flow;
}

// `prefixes` sorted, none within another.
bool contains(const std::vector<Prefix>& prefixes, Family family, const Address& address) {
    const Prefix host{family, policy::address_bits(family), address};
    const auto after =
        std::upper_bound(prefixes.begin(), prefixes.end(), host, [](const Prefix& one, const Prefix& other) {
            return std::tie(one.family, one.address) < std::tie(other.family, other.address);
        });
    return after != prefixes.begin() && policy::covers(*std::prev(after), host);
}

}  // namespace

PacketView view_of(const Flow& flow, const std::string& interface) {
    PacketView view;
    view.mac = 0;
    view.ethertype = flow.family == Family::kIpv4 ? 0x0800 : 0x86dd;
    view.length = BENCH_FRAME - 14;
    view.family = flow.family;
    view.source = flow.source;
    view.destination = flow.destination;
    view.ttl = 64;
    view.protocol = flow.protocol;
    view.has_l4 = has_ports(flow) || is_icmp(flow);
    view.source_port = has_ports(flow) ? flow.source_port : std::uint16_t{0};
    view.selector = view.has_l4 ? flow.selector : std::uint16_t{0};
    view.tcp_flags = flow.protocol == IPPROTO_TCP ? flow.tcp_flags : std::uint8_t{0};
    view.interfaces = {interface};
    return view;
}

bench_flow record_of(const Flow& flow) {
    bench_flow record{};
    const std::uint16_t layer4[2] = {htons(is_icmp(flow) ? flow.selector : flow.source_port),
                                     htons(is_icmp(flow) ? std::uint16_t{0} : flow.selector)};
    std::memcpy(&record.source, flow.source.data(), sizeof(record.source));
    std::memcpy(&record.destination, flow.destination.data(), sizeof(record.destination));
    std::memcpy(&record.layer4, layer4, sizeof(layer4));
    record.tcp_flags = flow.tcp_flags;
    record.protocol = flow.protocol;
    record.family = static_cast<std::uint8_t>(flow.family);
    return record;
}

bench_ipv6 addresses_of(const Flow& flow) {
    bench_ipv6 addresses{};
    std::memcpy(addresses.source, flow.source.data(), sizeof(addresses.source));
    std::memcpy(addresses.destination, flow.destination.data(), sizeof(addresses.destination));
    return addresses;
}

Maker any_flow(Family family) {
    return [family](Random& random) {
        Flow flow = tcp_to_any(family, random);
        flow.source = public_address(family, random);
        return flow;
    };
}

Maker ping() {
    return [](Random& random) {
        Flow flow = tcp_to_any(Family::kIpv4, random);
        flow.source = public_address(Family::kIpv4, random);
        flow.protocol = IPPROTO_ICMP;
        flow.selector = 8 << 8;
        return flow;
    };
}

Maker clients_of(Address destination, std::uint16_t port, std::uint8_t protocol, std::uint8_t tcp_flags) {
    return [=](Random& random) {
        Flow flow = tcp_to_any(Family::kIpv4, random);
        flow.source = public_address(Family::kIpv4, random);
        flow.destination = destination;
        flow.protocol = protocol;
        flow.selector = port;
        flow.tcp_flags = tcp_flags;
        return flow;
    };
}

Maker datagrams() {
    return [](Random& random) {
        Flow flow = tcp_to_any(Family::kIpv4, random);
        flow.source = public_address(Family::kIpv4, random);
        flow.protocol = IPPROTO_UDP;
        flow.selector = static_cast<std::uint16_t>(random.between(1024, 65535));
        return flow;
    };
}

Maker listed(const std::vector<Prefix>& prefixes) {
    return [&prefixes](Random& random) {
        const Prefix& prefix = random.pick(prefixes);
        Flow flow = tcp_to_any(prefix.family, random);
        flow.source = generate::any_of(prefix, random);
        return flow;
    };
}

Maker unlisted(const std::vector<Prefix>& prefixes) {
    return [&prefixes](Random& random) {
        const Family family = prefixes.front().family;
        Flow flow = tcp_to_any(family, random);
        do {
            const Prefix& near = random.pick(prefixes);
            const auto length = std::min<std::uint8_t>(near.length, 32);
            flow.source =
                family == Family::kIpv4
                    ? public_address(family, random)
                    : generate::any_of(generate::block_around(family, near.address, length), random);
        } while (contains(prefixes, family, flow.source));
        return flow;
    };
}

Maker aimed(const policy::Policy& policy, const policy::Context& context, Family family) {
    return [&policy, &context, family](Random& random) {
        PacketView view = generate::aimed_packet(policy.rules, context, random);
        while (view.family != family) view = generate::aimed_packet(policy.rules, context, random);
        return Flow{family, view.source, view.destination, view.protocol, view.source_port, view.selector};
    };
}

}  // namespace fwctl::bench
