#include "generate/fields.h"

#include <algorithm>
#include <utility>

#include "policy/icmp.h"
#include "policy/service.h"

namespace fwctl::generate {

using policy::Family;
using policy::Field;
using policy::FieldMatch;
using policy::Interval;
using policy::Range;
using policy::Service;

namespace {

constexpr std::uint16_t kPorts[] = {20,   21,   22,   23,   25,   53,   67,   80,   110,  123,  135,
                                    139,  143,  161,  179,  389,  443,  445,  500,  514,  554,  636,
                                    853,  993,  995,  1194, 1433, 1521, 1723, 3128, 3306, 3389, 4500,
                                    4789, 5060, 5432, 5900, 6379, 8080, 8443, 9100, 9200, 27017};
constexpr Range kPortRanges[] = {{0, 1023},      {1024, 65535}, {1024, 5000},   {6000, 6063},
                                 {8000, 8999},   {5000, 5100},  {135, 139},     {33434, 33523},
                                 {49152, 65535}, {20, 21},      {32768, 60999}, {1, 65535}};
constexpr std::uint8_t kOtherProtocols[] = {1, 2, 4, 41, 47, 50, 58, 89, 103, 112};
constexpr std::uint8_t kIcmpTypes[] = {0, 3, 3, 5, 8, 8, 11, 12, 13};
constexpr std::uint8_t kIcmp6Types[] = {1, 2, 3, 4, 128, 129, 135, 138, 142};

Interval interval(std::uint64_t first, std::uint64_t last) {
    return {~std::uint64_t{0}, first, last};
}

Interval random_interval(std::uint64_t largest, Random& random) {
    const std::uint64_t first = random.below(largest + 1);
    if (random.percent(40)) return interval(first, first);
    return interval(first, random.between(first, largest));
}

// Low or high values: what rules on TTL and length are about.
Interval end_interval(std::uint64_t edge, std::uint64_t largest, Random& random) {
    switch (random.below(3)) {
        case 0:
            return interval(0, edge);
        case 1:
            return interval(edge, largest);
        default:
            return interval(edge, edge);
    }
}

Interval random_flags(Random& random) {
    constexpr std::uint8_t kSyn = 0x02;
    constexpr std::uint8_t kAck = 0x10;
    constexpr std::pair<std::uint8_t, std::uint8_t> kUsual[] = {
        {kSyn, kSyn}, {kSyn | kAck, kSyn}, {kAck, kAck}, {kSyn | kAck, kSyn | kAck},
        {0x04, 0x04}, {0xff, 0x00},        {0x01, 0x01}, {0x3f, 0x29}};
    auto [mask, value] = random.pick(kUsual);
    if (random.percent(25)) {
        mask = static_cast<std::uint8_t>(random.between(1, 255));
        value = static_cast<std::uint8_t>(mask & random.below(256));
    }
    return {mask, value, value};
}

Interval random_fragment(bool has_selector, Random& random) {
    constexpr std::pair<std::uint64_t, std::uint64_t> kWords[] = {{0, 1}, {1, 1}, {2, 2}, {2, 3}, {3, 3}};
    const auto [first, last] = kWords[random.below(has_selector ? 4 : 5)];
    return interval(first, last);
}

Interval random_length(Random& random) {
    // No packet is too long for one of the first: IPv6 with a fragment header and TCP.
    constexpr std::uint64_t kEdges[] = {68, 84, 128, 576, 1280, 1400, 1500};
    if (random.percent(60)) return end_interval(random.pick(kEdges), 65535, random);
    const std::uint64_t first = random.between(68, 576);
    return interval(first, random.between(577, 9000));
}

Interval random_mac(Random& random) {
    const std::uint64_t vendor = std::uint64_t{0x525400} << 24;
    if (random.percent(40)) return interval(vendor, vendor | 0xffffff);
    const std::uint64_t mac = vendor | random.below(64);
    return interval(mac, mac);
}

Interval random_vlan(Random& random) {
    if (random.percent(30)) return interval(policy::kNoVlan, policy::kNoVlan);
    const std::uint64_t id = 10 * random.between(1, 9);
    return random.percent(60) ? interval(id, id) : interval(id, id + random.below(100));
}

Interval random_dscp(Random& random) {
    constexpr std::uint64_t kNamed[] = {0, 8, 10, 26, 34, 46, 48};
    const std::uint64_t value = random.pick(kNamed);
    return random.percent(70) ? interval(value, value) : random_interval(63, random);
}

Interval random_ethertype(Random& random) {
    constexpr std::uint64_t kTypes[] = {0x0800, 0x86dd, 0x0806, 0x0806, 0x8847, 0x8864, 0x88cc, 0x88b5};
    const std::uint64_t type = random.pick(kTypes);
    return interval(type, type);
}

Interval random_interval_of(Field field, bool has_selector, Random& random) {
    constexpr std::uint64_t kHops[] = {1, 2, 5, 32, 63, 64, 128, 254, 255};
    switch (field) {
        case Field::kSourcePort: {
            const Range ports = random_ports(random);
            return interval(ports.first, ports.last);
        }
        case Field::kTcpFlags:
            return random_flags(random);
        case Field::kFragment:
            return random_fragment(has_selector, random);
        case Field::kLength:
            return random_length(random);
        case Field::kTtl:
            return random.percent(60) ? end_interval(random.pick(kHops), 255, random)
                                      : random_interval(255, random);
        case Field::kDscp:
            return random_dscp(random);
        case Field::kVlan:
            return random_vlan(random);
        case Field::kMac:
            return random_mac(random);
        case Field::kEthertype:
            return random_ethertype(random);
        case Field::kState: {
            const std::uint64_t state = random.below(5);
            return interval(state, state);
        }
    }
    return {};
}

bool all_of_protocol(const std::vector<Service>& services, auto... protocols) {
    return std::all_of(services.begin(), services.end(), [&](const Service& service) {
        return service.kind == Service::Kind::kProtocol && ((service.protocol == protocols) || ...);
    });
}

// The fields that packets of the services have.
std::vector<Field> fields_of(const std::vector<Service>& services) {
    std::vector<Field> fields{Field::kFragment, Field::kLength, Field::kTtl,   Field::kDscp,
                              Field::kVlan,     Field::kMac,    Field::kState, Field::kState};
    if (services.front().kind == Service::Kind::kAny) fields.insert(fields.end(), 3, Field::kEthertype);
    if (all_of_protocol(services, policy::kProtocolTcp, policy::kProtocolUdp, policy::kProtocolSctp))
        fields.insert(fields.end(), 3, Field::kSourcePort);
    if (all_of_protocol(services, policy::kProtocolTcp)) fields.insert(fields.end(), 3, Field::kTcpFlags);
    return fields;
}

Range random_icmp(Family family, Random& random) {
    const std::uint8_t type = family == Family::kIpv4 ? random.pick(kIcmpTypes) : random.pick(kIcmp6Types);
    if (random.percent(30)) return policy::icmp_code(type, static_cast<std::uint8_t>(random.below(5)));
    const bool many = random.percent(20);
    return policy::icmp_types(type, static_cast<std::uint8_t>(many ? random.between(type, 255) : type));
}

}  // namespace

Range random_ports(Random& random) {
    const std::uint64_t kind = random.below(10);
    if (kind < 4) {
        const std::uint16_t port = random.pick(kPorts);
        return {port, port};
    }
    if (kind < 8) return random.pick(kPortRanges);
    const auto first = static_cast<std::uint16_t>(random.below(65536));
    return {first, static_cast<std::uint16_t>(random.between(first, 65535))};
}

Service random_service(Family family, unsigned any_port, unsigned port_range, Random& random) {
    Service service;
    service.kind = Service::Kind::kProtocol;
    const std::uint64_t kind = random.below(100);
    if (kind >= 93) {
        service.protocol = random.pick(kOtherProtocols);
        return service;
    }
    service.has_selector = !random.percent(any_port);
    if (kind >= 85) {
        service.protocol = family == Family::kIpv4 ? policy::kProtocolIcmp : policy::kProtocolIcmp6;
        service.family_bound = true;
        service.family = family;
        if (service.has_selector) service.selector = random_icmp(family, random);
        return service;
    }
    service.protocol = kind < 55   ? policy::kProtocolTcp
                       : kind < 82 ? policy::kProtocolUdp
                                   : policy::kProtocolSctp;
    if (!service.has_selector) return service;
    if (random.percent(port_range)) {
        service.selector = random_ports(random);
    } else {
        const auto port =
            random.percent(60) ? random.pick(kPorts) : static_cast<std::uint16_t>(random.below(65536));
        service.selector = {port, port};
    }
    return service;
}

FieldMatch random_field(const std::vector<Service>& services, Random& random) {
    const Field field = random.pick(fields_of(services));
    const bool has_selector = std::all_of(services.begin(), services.end(),
                                          [](const Service& service) { return service.has_selector; });
    FieldMatch match{field, {random_interval_of(field, has_selector, random)}};
    while (random.percent(20)) match.any_of.push_back(random_interval_of(field, has_selector, random));
    return match;
}

}  // namespace fwctl::generate
