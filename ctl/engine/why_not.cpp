#include "engine/why_not.h"

#include <fmt/format.h>

#include <algorithm>

#include "fwctl/abi/flow.h"
#include "policy/addresses.h"
#include "policy/field.h"
#include "policy/packet_text.h"
#include "policy/prefix.h"
#include "policy/rate.h"
#include "policy/schema.h"
#include "policy/service.h"

namespace fwctl::engine {
namespace {

using policy::Field;
using policy::PacketView;
using policy::Rule;

constexpr std::size_t kWordsShown = 4;

std::string list(const std::vector<std::string>& words) {
    const std::size_t shown = std::min(words.size(), kWordsShown);
    const std::string text =
        fmt::format("{}", fmt::join(words.begin(), words.begin() + static_cast<long>(shown), ", "));
    return shown == words.size() ? text : fmt::format("{} and {} more", text, words.size() - shown);
}

std::vector<std::string> words_of(const Rule& rule, std::string_view key) {
    return policy::find_rule_key(key)->words(rule);
}

std::string address_of(const PacketView& packet, const std::array<std::uint8_t, 16>& address) {
    if (!packet.family) return "no address";
    return policy::format_prefix({*packet.family, policy::address_bits(*packet.family), address});
}

std::string of_services(const Rule& rule, const PacketView& packet) {
    return fmt::format("its service is {}, the packet is {}", list(words_of(rule, "service")),
                       service_of(packet));
}

std::string of_source(const Rule& rule, const PacketView& packet) {
    return fmt::format("it is from {}, the packet from {}", list(policy::address_words(rule.from)),
                       address_of(packet, packet.source));
}

std::string of_destination(const Rule& rule, const PacketView& packet) {
    return fmt::format("it is to {}, the packet to {}", list(policy::address_words(rule.to)),
                       address_of(packet, packet.destination));
}

std::string of_place(const Rule& rule, const PacketView& packet) {
    std::string holds = rule.on.empty() ? "" : " on " + list(rule.on);
    if (rule.direction != policy::Direction::kBoth)
        holds += fmt::format(" {}", policy::direction_name(rule.direction));
    const std::string interface = packet.interfaces.empty() ? "" : " " + packet.interfaces.back();
    return fmt::format("it holds{}, the packet passes{} {}", holds, interface,
                       policy::direction_name(packet.direction));
}

// A field that the packet lacks, or has with another value; empty: all fields hold.
std::string of_field(const Rule& rule, const PacketView& packet) {
    for (const policy::FieldMatch& match : rule.fields) {
        const auto value = policy::value_of(match.field, packet);
        const std::string_view key = policy::info_of(match.field).key;
        if (!value)
            return fmt::format("its {} is {}, the packet has none", key, list(policy::format_match(match)));
        const bool holds =
            std::any_of(match.any_of.begin(), match.any_of.end(),
                        [&](const policy::Interval& interval) { return interval.contains(*value); });
        if (holds) continue;
        policy::FieldMatch has{match.field, {{~std::uint64_t{0}, *value, *value}}};
        if (match.field == Field::kTcpFlags) has.any_of = {{0xff, *value, *value}};
        return fmt::format("its {} is {}, the packet has {}", key, list(policy::format_match(match)),
                           list(policy::format_match(has)));
    }
    return {};
}

bool service_holds(const Rule& rule, const PacketView& packet) {
    Rule alone;
    alone.services = rule.services;
    return policy::matches(alone, packet);
}

// Fields first: what they ask is known for certain; the members of sets come and go.
std::string of_conditions(const Rule& rule, const PacketView& packet) {
    if (std::string field = of_field(rule, packet); !field.empty()) return field;
    if (rule.expires != 0 && rule.expires <= packet.now) return "its time is over";
    if (!rule.from.sets.empty() || !rule.from.except_sets.empty()) return of_source(rule, packet);
    return of_destination(rule, packet);
}

std::string of_rate(const Rule& rule) {
    if (!rule.rate) return {};
    return fmt::format("it is for what is {}, and there are {}tokens left for the packet",
                       policy::format_rate(*rule.rate), rule.rate->over ? "" : "no ");
}

}  // namespace

std::string service_of(const PacketView& packet) {
    if (packet.has_ports()) {
        policy::Service service;
        service.kind = policy::Service::Kind::kProtocol;
        service.protocol = packet.protocol;
        service.has_selector = true;
        service.selector = {packet.selector, packet.selector};
        return policy::format_service(service);
    }
    const std::string words = policy::format_packet({packet, {}});
    const std::string name = words.substr(0, words.find(' '));
    const bool is_later = packet.family && packet.fragment == policy::FragmentKind::kLater;
    return is_later ? fmt::format("a later fragment of {}", name) : name;
}

std::string why_not(const Rule& rule, fw_row_part part, const PacketView& packet) {
    switch (part) {
        case FW_ROW_TRAITS:
        case FW_ROW_SELECTOR:
            return service_holds(rule, packet) ? of_field(rule, packet) : of_services(rule, packet);
        case FW_ROW_SOURCE:
            return of_source(rule, packet);
        case FW_ROW_DESTINATION:
            return of_destination(rule, packet);
        case FW_ROW_WHERE:
            return of_place(rule, packet);
        case FW_ROW_CONDITIONS:
            return of_conditions(rule, packet);
        case FW_ROW_RATE:
            return of_rate(rule);
        case FW_ROW_HELD:
            break;
    }
    return "it matches";
}

PacketView view_of(const fw_packet& packet, fw_link link, fw_direction direction,
                   std::vector<std::string> interfaces) {
    PacketView view;
    if (link == FW_LINK_ETHERNET) view.mac = packet.source_mac;
    view.vlan = packet.vlan_id;
    view.ethertype = packet.ethertype;
    view.length = packet.network_length;
    if (packet.family != FW_FAMILY_NONE) view.family = static_cast<policy::Family>(packet.family);
    std::copy_n(packet.source.bytes, view.source.size(), view.source.begin());
    std::copy_n(packet.destination.bytes, view.destination.size(), view.destination.begin());
    view.ttl = packet.ttl;
    view.dscp = packet.traffic_class >> 2;
    view.fragment = static_cast<policy::FragmentKind>(packet.fragment);
    view.protocol = packet.protocol;
    view.has_l4 = (packet.flags & FW_PACKET_L4) != 0;
    view.source_port = packet.source_port;
    view.selector = packet.selector;
    view.tcp_flags = packet.tcp_flags;
    if (packet.state != FW_STATE_UNTRACKED) view.state = static_cast<policy::FlowState>(packet.state);
    view.direction = direction == FW_IN ? policy::Direction::kIn : policy::Direction::kOut;
    view.interfaces = std::move(interfaces);
    return view;
}

}  // namespace fwctl::engine
