#include "policy/evaluate.h"

#include <algorithm>
#include <vector>

#include "policy/builtin.h"
#include "policy/prefix.h"
#include "policy/rule.h"

namespace fwctl::policy {

namespace {

bool matches_service(const Service& service, const PacketView& packet) {
    switch (service.kind) {
        case Service::Kind::kAny:
            return true;
        case Service::Kind::kEthertype:
            return !packet.family && packet.ethertype == service.ethertype;
        case Service::Kind::kProtocol:
            break;
    }
    if (!packet.family || packet.protocol != service.protocol) {
        return false;
    }
    if (service.family_bound && *packet.family != service.family) {
        return false;
    }
    if (!service.has_selector) {
        return true;
    }
    return packet.has_l4 && service.selector.contains(packet.selector) &&
           service.source_port.contains(packet.source_port);
}

bool matches_address(const std::vector<Prefix>& prefixes, const PacketView& packet,
                     const std::array<std::uint8_t, 16>& address) {
    if (prefixes.empty()) {
        return true;
    }
    return packet.family && std::any_of(prefixes.begin(), prefixes.end(), [&](const Prefix& prefix) {
               return contains(prefix, *packet.family, address);
           });
}

bool matches_interface(const std::vector<std::string>& patterns, const std::string& interface) {
    return patterns.empty() || std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
               return interface_matches(pattern, interface);
           });
}

}  // namespace

bool matches(const Rule& rule, const PacketView& packet) {
    if (judged_by_parser(rule)) {
        return false;
    }
    const bool expired = rule.expires != 0 && rule.expires <= packet.now;
    const bool wrong_way = rule.direction != Direction::kBoth && rule.direction != packet.direction;
    if (expired || wrong_way) {
        return false;
    }
    const bool any_service =
        std::any_of(rule.services.begin(), rule.services.end(),
                    [&](const Service& service) { return matches_service(service, packet); });
    return any_service && matches_address(rule.from.prefixes, packet, packet.source) &&
           matches_address(rule.to.prefixes, packet, packet.destination) &&
           matches_interface(rule.on, packet.interface);
}

std::optional<std::size_t> first_match(const Policy& policy, const PacketView& packet) {
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        if (matches(policy.rules[i], packet)) {
            return i;
        }
    }
    return std::nullopt;
}

}  // namespace fwctl::policy
