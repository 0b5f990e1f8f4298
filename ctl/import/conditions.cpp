#include "import/conditions.h"

#include <netdb.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/field.h"
#include "policy/prefix.h"
#include "policy/service.h"

namespace fwctl::importer {

namespace {

using policy::Family;

Numbers with_l4_header() {
    return Numbers::between(static_cast<Number>(policy::FragmentKind::kNone),
                            static_cast<Number>(policy::FragmentKind::kFirst));
}

Number number_of(const policy::Prefix& prefix) {
    const unsigned bytes = policy::address_bits(prefix.family) / 8U;
    Number value = 0;
    for (unsigned i = 0; i < bytes; ++i) {
        value = value << 8 | prefix.address[i];
    }
    return value;
}

policy::Prefix block_at(Family family, Number first, std::uint8_t length) {
    policy::Prefix prefix{family, length, {}};
    const unsigned bytes = policy::address_bits(family) / 8U;
    for (unsigned i = 0; i < bytes; ++i) {
        prefix.address[i] = static_cast<std::uint8_t>(first >> (8 * (bytes - 1 - i)) & 0xff);
    }
    return prefix;
}

// The addresses behind a prefix of that length.
Number hosts_behind(Family family, unsigned length) {
    const unsigned bits = policy::address_bits(family) - length;
    return bits == 0 ? 0 : largest_address(family) >> (policy::address_bits(family) - bits);
}

// The length that a mask in dotted form stands for; nullopt: it has holes.
std::optional<unsigned> length_of_mask(const policy::Prefix& mask) {
    const unsigned bits = policy::address_bits(mask.family);
    for (unsigned length = 0; length <= bits; ++length) {
        if (number_of(mask) == (largest_address(mask.family) ^ hosts_behind(mask.family, length))) {
            return length;
        }
    }
    return std::nullopt;
}

Result<unsigned> parse_length(std::string_view text, std::string_view mask, Family family) {
    if (const auto length = parse_number(mask, policy::address_bits(family))) {
        return *length;
    }
    const auto dotted = policy::parse_prefix(mask);
    if (!dotted || dotted->family != family) {
        return fail(fmt::format("`{}` is not a mask", mask));
    }
    const auto length = length_of_mask(*dotted);
    if (!length) {
        return fail(fmt::format("the mask of `{}` is not a prefix", text));
    }
    return *length;
}

// The names that iptables and nft have without /etc/protocols, and those that are the same everywhere. Not
// those of policies: "ipip" is protocol 4 there and 94 in /etc/protocols.
struct ProtocolName {
    std::string_view name;
    std::uint8_t number;
};
constexpr std::array kProtocolNames = {
    ProtocolName{"icmp", 1},   ProtocolName{"igmp", 2},      ProtocolName{"ipencap", 4},
    ProtocolName{"tcp", 6},    ProtocolName{"udp", 17},      ProtocolName{"dccp", 33},
    ProtocolName{"ipv6", 41},  ProtocolName{"gre", 47},      ProtocolName{"esp", 50},
    ProtocolName{"ah", 51},    ProtocolName{"icmpv6", 58},   ProtocolName{"ipv6-icmp", 58},
    ProtocolName{"ospf", 89},  ProtocolName{"pim", 103},     ProtocolName{"comp", 108},
    ProtocolName{"vrrp", 112}, ProtocolName{"l2tp", 115},    ProtocolName{"sctp", 132},
    ProtocolName{"mh", 135},   ProtocolName{"ipv6-mh", 135}, ProtocolName{"udplite", 136}};

}  // namespace

Match of_ip() {
    Match match;
    match[Axis::kEthertype] = Numbers({{kEthertypeIp, kEthertypeIp}, {kEthertypeIp6, kEthertypeIp6}});
    return match;
}

Match of_family(Family family) {
    Match match;
    match[Axis::kEthertype] = Numbers::one(family == Family::kIpv4 ? kEthertypeIp : kEthertypeIp6);
    return match;
}

Match of_protocols(const Numbers& protocols) {
    Match match = of_ip();
    match[Axis::kProtocol] = protocols;
    return match;
}

Match of_ports(Axis side, const Numbers& ports) {
    Match match = of_ip();
    match[Axis::kFragment] = with_l4_header();
    match[side] = ports;
    return match;
}

Match of_icmp(Family family, const Numbers& types) {
    Match match = of_family(family);
    match[Axis::kProtocol] =
        Numbers::one(family == Family::kIpv4 ? policy::kProtocolIcmp : policy::kProtocolIcmp6);
    match[Axis::kFragment] = with_l4_header();
    match[Axis::kSelector] = types;
    return match;
}

Match of_tcp_flags(const Numbers& flags) {
    Match match = of_ip();
    match[Axis::kProtocol] = Numbers::one(policy::kProtocolTcp);
    match[Axis::kFragment] = with_l4_header();
    match[Axis::kTcpFlags] = flags;
    return match;
}

Match of_ip_number(Axis axis, const Numbers& values) {
    Match match = of_ip();
    match[axis] = values;
    return match;
}

Match of_address(Axis side, Family family, const Numbers& addresses) {
    Match match = of_family(family);
    match[side] = addresses;
    return match;
}

Match in_set(Axis side, std::string name, bool inside) {
    Match match = of_ip();
    match.sets = {{side, std::move(name), inside}};
    return match;
}

Match of_direction(policy::Direction direction) {
    Match match;
    match[Axis::kDirection] = Numbers::one(direction == policy::Direction::kIn ? 0 : 1);
    return match;
}

Condition on_interfaces(policy::Direction direction, std::vector<std::string> names, bool negated) {
    const bool is_any = std::find(names.begin(), names.end(), "*") != names.end();
    Match match = of_direction(direction);
    Match other_way;
    other_way[Axis::kDirection] = match[Axis::kDirection].outside(largest_of(Axis::kDirection));
    if (is_any || names.empty()) {
        return is_any == negated ? Condition() : always();
    }
    (negated ? match.not_on : match.on) = std::move(names);
    return negated ? Condition{match, other_way} : Condition{match};
}

Match from_mac(const Numbers& addresses) {
    Match match = of_direction(policy::Direction::kIn);
    match[Axis::kMac] = addresses;
    return match;
}

Status check_ports(const Match& match) {
    const Numbers with_ports = Numbers({{policy::kProtocolTcp, policy::kProtocolTcp},
                                        {policy::kProtocolUdp, policy::kProtocolUdp},
                                        {policy::kProtocolSctp, policy::kProtocolSctp}});
    const auto is_icmp = [&](Family family, std::uint8_t protocol) {
        return match.family() == family && match[Axis::kProtocol] == Numbers::one(protocol);
    };
    const bool has_ports = with_ports.covers(match[Axis::kProtocol]);
    const bool has_type =
        is_icmp(Family::kIpv4, policy::kProtocolIcmp) || is_icmp(Family::kIpv6, policy::kProtocolIcmp6);
    if ((match.asks(Axis::kSourcePort) && !has_ports) ||
        (match.asks(Axis::kSelector) && !has_ports && !has_type)) {
        return fail("ports are read of tcp, udp and sctp alone");
    }
    return {};
}

Numbers masked_byte(std::uint8_t mask, std::uint8_t value) {
    std::vector<Span> spans;
    for (unsigned byte = 0; byte < 256; ++byte) {
        if ((byte & mask) == value) {
            spans.push_back({byte, byte});
        }
    }
    return Numbers(std::move(spans));
}

Result<Block> parse_block(std::string_view text) {
    const std::size_t slash = std::min(text.find('/'), text.size());
    const auto address = policy::parse_prefix(text.substr(0, slash));
    if (!address) {
        return fail(fmt::format("`{}` is not an address", text));
    }
    unsigned length = policy::address_bits(address->family);
    if (slash != text.size()) {
        const auto written = parse_length(text, text.substr(slash + 1), address->family);
        if (!written) {
            return tl::unexpected<Error>(written.error());
        }
        length = *written;
    }
    const Number hosts = hosts_behind(address->family, length);
    const Number first = number_of(*address) & ~hosts;
    return Block{address->family, Numbers::between(first, first | hosts)};
}

Result<Block> parse_span(std::string_view first, std::string_view last) {
    const auto from = policy::parse_prefix(first);
    const auto to = policy::parse_prefix(last);
    if (!from || !to || from->family != to->family || number_of(*from) > number_of(*to)) {
        return fail(fmt::format("`{}-{}` is not a range of addresses", first, last));
    }
    return Block{from->family, Numbers::between(number_of(*from), number_of(*to))};
}

std::vector<policy::Prefix> blocks_of(Family family, const Numbers& addresses) {
    std::vector<policy::Prefix> blocks;
    for (const Span& span : addresses.spans()) {
        Number first = span.first;
        while (true) {
            unsigned length = 0;
            while ((first & hosts_behind(family, length)) != 0 ||
                   span.last - first < hosts_behind(family, length)) {
                ++length;
            }
            blocks.push_back(block_at(family, first, static_cast<std::uint8_t>(length)));
            const Number last = first | hosts_behind(family, length);
            if (last == span.last) {
                break;
            }
            first = last + 1;
        }
    }
    std::sort(blocks.begin(), blocks.end());
    return blocks;
}

Result<std::uint8_t> parse_protocol(std::string_view text) {
    const std::string name = lower_case(text);
    if (const auto number = parse_number(name, 255)) {
        return static_cast<std::uint8_t>(*number);
    }
    const auto* row = std::find_if(kProtocolNames.begin(), kProtocolNames.end(),
                                   [&](const ProtocolName& known) { return known.name == name; });
    if (row != kProtocolNames.end()) {
        return row->number;
    }
    std::array<char, 1024> buffer{};
    protoent entry{};
    protoent* found = nullptr;
    if (getprotobyname_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return fail(fmt::format("`{}` is not a protocol that is known here", text));
    }
    return static_cast<std::uint8_t>(found->p_proto);
}

Result<std::uint16_t> parse_port(std::string_view text) {
    if (const auto number = parse_number(text, 65535)) {
        return static_cast<std::uint16_t>(*number);
    }
    for (const std::string_view protocol : {"tcp", "udp", "sctp"}) {
        const auto service = policy::parse_service(fmt::format("{}/{}", protocol, text));
        if (service && service->selector.first == service->selector.last) {
            return service->selector.first;
        }
    }
    return fail(fmt::format("`{}` is not a port", text));
}

}  // namespace fwctl::importer
