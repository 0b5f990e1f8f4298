#include "cli/ends_show.h"

#include <fmt/format.h>

#include "policy/prefix.h"
#include "policy/service.h"

namespace fwctl::cli {
namespace {

std::string address_text(const policy::PacketView& packet, const std::array<std::uint8_t, 16>& address) {
    policy::Prefix prefix;
    prefix.family = *packet.family;
    prefix.address = address;
    prefix.length = policy::address_bits(prefix.family);
    return policy::format_prefix(prefix);
}

}  // namespace

std::string protocol_text(std::uint8_t protocol) {
    policy::Service service;
    service.kind = policy::Service::Kind::kProtocol;
    service.protocol = protocol;
    service.family_bound = protocol == policy::kProtocolIcmp || protocol == policy::kProtocolIcmp6;
    service.family = protocol == policy::kProtocolIcmp ? policy::Family::kIpv4 : policy::Family::kIpv6;
    return policy::format_service(service);
}

std::string end_text(const policy::PacketView& packet, const std::array<std::uint8_t, 16>& address,
                     std::uint16_t port) {
    const std::string text = address_text(packet, address);
    if (!packet.has_ports()) return text;
    return *packet.family == policy::Family::kIpv6 ? fmt::format("[{}]:{}", text, port)
                                                   : fmt::format("{}:{}", text, port);
}

Json ends_json(const policy::PacketView& packet) {
    Json json{{"protocol", protocol_text(packet.protocol)},
              {"from", address_text(packet, packet.source)},
              {"to", address_text(packet, packet.destination)}};
    if (packet.has_ports()) {
        json["from_port"] = packet.source_port;
        json["to_port"] = packet.selector;
    }
    return json;
}

}  // namespace fwctl::cli
