#include "analyze/space.h"

#include <algorithm>
#include <utility>

#include "policy/field.h"
#include "policy/service.h"

namespace fwctl::analyze {

namespace {

constexpr Number kOne = 1;
constexpr Number kNoMac = kOne << 48;
constexpr std::uint32_t kIpv4Header = 20;
constexpr std::uint32_t kIpv6Header = 40;
constexpr std::uint32_t kFragmentHeader = 8;

const Ranges ethernet_mac(0, kNoMac - 1);
// IPv4, IPv6, 802.1Q, 802.1ad.
const Ranges not_ip_ethertypes(
    {{0, 0x07ff}, {0x0801, 0x80ff}, {0x8101, 0x86dc}, {0x86de, 0x88a7}, {0x88a9, 0xffff}});

Ranges numbers(std::initializer_list<Number> values) {
    std::vector<Span> spans;
    for (const Number value : values) {
        spans.push_back({value, value});
    }
    return Ranges(std::move(spans));
}

Ranges numbers_but(Number largest, const Ranges& excepted) {
    return Ranges(0, largest).without(excepted);
}

// With extension headers, which the parser steps over.
Ranges other_protocols(Family family) {
    return numbers_but(255, family == Family::kIpv4 ? numbers({1, 6, 17, 132})
                                                    : numbers({0, 6, 17, 43, 44, 51, 58, 60, 132}));
}

std::uint32_t shortest_header(Layer4 layer4) {
    switch (layer4) {
        case Layer4::kTcp:
            return 20;
        case Layer4::kSctp:
            return 12;
        case Layer4::kUdp:
        case Layer4::kIcmp:
            return 8;
        case Layer4::kOther:
        case Layer4::kLater:
            break;
    }
    return 0;
}

Ranges fragment_kinds(std::initializer_list<FragmentKind> kinds) {
    std::vector<Span> spans;
    for (const FragmentKind kind : kinds) {
        spans.push_back({static_cast<Number>(kind), static_cast<Number>(kind)});
    }
    return Ranges(std::move(spans));
}

std::vector<Part>::iterator place_of(Box& box, Dimension dimension) {
    return std::lower_bound(box.begin(), box.end(), dimension,
                            [](const Part& part, Dimension wanted) { return part.dimension < wanted; });
}

}  // namespace

bool intersect(const Box& one, const Box& other) {
    return intersect(one, other,
                     [](const Ranges* values, const Ranges* others) { return values->disjoint(*others); });
}

Kinds kind_of(Family family, Layer4 layer4) {
    return 1U << ((family == Family::kIpv4 ? 1U : 7U) + static_cast<unsigned>(layer4));
}

Kinds kinds_of(Family family) {
    return family == Family::kIpv4 ? 0x3fU << 1U : 0x3fU << 7U;
}

Layer4 layer4_of(Family family, std::uint8_t protocol) {
    switch (protocol) {
        case policy::kProtocolTcp:
            return Layer4::kTcp;
        case policy::kProtocolUdp:
            return Layer4::kUdp;
        case policy::kProtocolSctp:
            return Layer4::kSctp;
        case policy::kProtocolIcmp:
            return family == Family::kIpv4 ? Layer4::kIcmp : Layer4::kOther;
        case policy::kProtocolIcmp6:
            return family == Family::kIpv6 ? Layer4::kIcmp : Layer4::kOther;
        default:
            return Layer4::kOther;
    }
}

Space::Space(std::size_t interface_classes) : everything_(kKnownDimensions) {
    const auto all = [this](Dimension dimension, Number largest) {
        everything_[dimension] = keep(Ranges(0, largest));
    };
    all(kKind, 12);
    all(kSource, ~Number{0});
    all(kDestination, ~Number{0});
    all(kSelector, 65535);
    all(kProtocol, 255);
    all(kInterface, interface_classes - 1);
    all(kMac, kNoMac);
    all(kWay, 1);
    all(kFragment, static_cast<Number>(FragmentKind::kFirst));  // kLater is a kind
    const std::pair<Dimension, Field> as_in_field_h[] = {
        {kSourcePort, Field::kSourcePort},
        {kFlags, Field::kTcpFlags},
        {kLength, Field::kLength},
        {kTtl, Field::kTtl},
        {kDscp, Field::kDscp},
        {kVlan, Field::kVlan},
        {kEthertype, Field::kEthertype},
        {kState, Field::kState},
    };
    for (const auto& [dimension, field] : as_in_field_h) {
        all(dimension, policy::info_of(field).largest);
    }

    Box ethernet;
    narrow(ethernet, kMac, ethernet_mac);
    add_packets(ethernet, true);
    Box bare;
    narrow(bare, kMac, Ranges(kNoMac, kNoMac));
    narrow(bare, kVlan, Ranges(policy::kNoVlan, policy::kNoVlan));
    add_packets(bare, false);
}

const Ranges* Space::every_address(Family family) const {
    static const Ranges ipv4(0, 0xffffffff);
    return family == Family::kIpv4 ? &ipv4 : everything(kSource);
}

void Space::add_packets(const Box& link, bool has_ethernet) {
    Box not_ip = link;
    narrow(not_ip, kEthertype, has_ethernet ? not_ip_ethertypes : Ranges(0, 0));
    add_packet(std::move(not_ip), kNotIp, has_ethernet ? 0 : 1);
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        Box ip = link;
        narrow(ip, kSource, *every_address(family));
        narrow(ip, kDestination, *every_address(family));
        add_ip_packets(ip, family);
    }
}

void Space::add_ip_packets(const Box& link, Family family) {
    const bool is_ipv4 = family == Family::kIpv4;
    const std::uint32_t header = is_ipv4 ? kIpv4Header : kIpv6Header;
    const std::uint32_t fragment_header = is_ipv4 ? 0 : kFragmentHeader;
    const Ranges without_header = is_ipv4 ? fragment_kinds({FragmentKind::kNone, FragmentKind::kFirst})
                                          : fragment_kinds({FragmentKind::kNone});
    const Ranges with_header = fragment_kinds({FragmentKind::kAtomic, FragmentKind::kFirst});

    add_packet(link, kind_of(family, Layer4::kLater), header + fragment_header);
    for (const Layer4 layer4 : {Layer4::kTcp, Layer4::kUdp, Layer4::kSctp, Layer4::kIcmp, Layer4::kOther}) {
        const std::uint32_t shortest = header + shortest_header(layer4);
        Box box = link;
        if (layer4 == Layer4::kOther) {
            narrow(box, kProtocol, other_protocols(family));
        }
        Box fragment = box;
        narrow(box, kFragment, without_header);
        add_packet(std::move(box), kind_of(family, layer4), shortest);
        if (!is_ipv4) {
            narrow(fragment, kFragment, with_header);
            add_packet(std::move(fragment), kind_of(family, layer4), shortest + fragment_header);
        }
    }
}

void Space::add_packet(Box box, Kinds kinds_there, std::uint32_t shortest) {
    narrow(box, kKind, *kinds(kinds_there));
    narrow(box, kLength, Ranges(shortest, everything(kLength)->highest()));
    packets_.push_back(std::move(box));
}

Dimension Space::unknown(const std::string& name) {
    const auto [row, is_new] = unknown_.emplace(name, static_cast<Dimension>(everything_.size()));
    if (is_new) {
        everything_.push_back(keep(Ranges(0, 1)));
    }
    return row->second;
}

const Ranges* Space::kinds(Kinds kinds) {
    std::vector<Span> spans;
    for (unsigned kind = 0; kinds >> kind != 0; ++kind) {
        if ((kinds >> kind & 1U) != 0) {
            spans.push_back({kind, kind});
        }
    }
    return keep(Ranges(std::move(spans)));
}

bool Space::narrow(Box& box, Dimension dimension, const Ranges& values) {
    const auto place = place_of(box, dimension);
    const bool is_narrowed = place != box.end() && place->dimension == dimension;
    const Ranges& before = is_narrowed ? *place->values : *everything(dimension);
    if (before.within(values)) {
        return true;
    }
    Ranges now = before.intersected(values);
    if (now.empty()) {
        return false;
    }
    const Ranges* kept = keep(std::move(now));
    if (is_narrowed) {
        place->values = kept;
    } else {
        box.insert(place, {dimension, kept});
    }
    return true;
}

}  // namespace fwctl::analyze
