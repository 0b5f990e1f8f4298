#include "generate/packets.h"

#include "generate/address.h"
#include "policy/service.h"

namespace fwctl::generate {

using policy::Family;
using policy::FragmentKind;
using policy::PacketView;

namespace {

constexpr std::uint16_t kCommonPorts[] = {22, 25, 53, 67, 68, 80, 123, 443, 546, 547, 3389, 8080};

Address any_address(Family family, Random& random) {
    return any_of({family, 0, {}}, random);
}

std::uint16_t any_port(Random& random) {
    return random.percent(40) ? random.pick(kCommonPorts) : static_cast<std::uint16_t>(random.below(65536));
}

std::uint16_t any_ethertype(Random& random) {
    constexpr std::uint16_t kTypes[] = {0x0806, 0x8847, 0x8864, 0x88cc, 0x88b5};
    return random.percent(80) ? random.pick(kTypes) : static_cast<std::uint16_t>(random.below(65536));
}

std::uint8_t any_protocol(Random& random) {
    constexpr std::uint8_t kProtocols[] = {1, 6, 6, 6, 17, 17, 58, 132, 47, 50};
    return random.percent(95) ? random.pick(kProtocols) : static_cast<std::uint8_t>(random.below(256));
}

FragmentKind any_fragment(Random& random) {
    constexpr FragmentKind kKinds[] = {FragmentKind::kAtomic, FragmentKind::kFirst, FragmentKind::kLater};
    return random.percent(90) ? FragmentKind::kNone : random.pick(kKinds);
}

std::uint32_t any_length(Random& random) {
    const std::uint64_t most = random.percent(50) ? 120 : random.percent(80) ? 1500 : kLongestPacket;
    return static_cast<std::uint32_t>(random.between(20, most));
}

}  // namespace

PacketView random_packet(Random& random) {
    const std::vector<std::string> kInterfaces[] = {
        {"wan", "eth0"}, {"lan", "eth1"}, {"docker", "docker0"}, {"guests", "veth7"}, {"eth2"}};
    PacketView view;
    view.interfaces = random.pick(kInterfaces);
    view.direction = random.percent(60) ? policy::Direction::kIn : policy::Direction::kOut;
    if (random.percent(95)) view.mac = std::uint64_t{0x525400} << 24 | random.below(256);
    if (random.percent(25)) view.vlan = static_cast<std::uint16_t>(random.between(1, 120));
    view.length = any_length(random);
    view.ethertype = any_ethertype(random);
    view.state = static_cast<policy::FlowState>(random.below(5));
    const std::uint64_t kind = random.below(100);
    if (kind >= 95) return possible(view);
    view.family = kind < 60 ? Family::kIpv4 : Family::kIpv6;
    view.source = any_address(*view.family, random);
    view.destination = any_address(*view.family, random);
    view.ttl = static_cast<std::uint8_t>(random.below(256));
    view.dscp = static_cast<std::uint8_t>(random.below(64));
    view.fragment = any_fragment(random);
    view.protocol = any_protocol(random);
    view.source_port = any_port(random);
    view.selector = any_port(random);
    view.tcp_flags = static_cast<std::uint8_t>(random.below(256));
    return possible(view);
}

}  // namespace fwctl::generate
