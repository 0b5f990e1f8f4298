#include "policy/service.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/icmp.h"

namespace fwctl::policy {

namespace {

// What may follow the protocol behind a slash.
enum class Detail { kNone, kPort, kIcmp, kIcmp6 };

struct Protocol {
    std::string_view name;
    std::uint8_t number;
    Detail detail = Detail::kNone;
};

// The first name of a protocol is the one that is printed.
constexpr std::array kProtocols = {
    Protocol{"tcp", kProtocolTcp, Detail::kPort},
    Protocol{"udp", kProtocolUdp, Detail::kPort},
    Protocol{"sctp", kProtocolSctp, Detail::kPort},
    Protocol{"icmp", kProtocolIcmp, Detail::kIcmp},
    Protocol{"icmp6", kProtocolIcmp6, Detail::kIcmp6},
    Protocol{"icmpv6", kProtocolIcmp6, Detail::kIcmp6},
    Protocol{"ipv6-icmp", kProtocolIcmp6, Detail::kIcmp6},
    Protocol{"igmp", 2},
    Protocol{"ipip", 4},
    Protocol{"dccp", 33},
    Protocol{"6in4", 41},
    Protocol{"rsvp", 46},
    Protocol{"gre", 47},
    Protocol{"esp", 50},
    Protocol{"ah", 51},
    Protocol{"eigrp", 88},
    Protocol{"ospf", 89},
    Protocol{"etherip", 97},
    Protocol{"pim", 103},
    Protocol{"ipcomp", 108},
    Protocol{"vrrp", 112},
    Protocol{"l2tp", 115},
    Protocol{"hip", 139},
    Protocol{"udplite", 136},
};

constexpr unsigned kLastPort = 65535;
constexpr unsigned kLastProtocol = 255;

const Protocol* find_protocol(std::string_view name) {
    const auto* row = std::find_if(kProtocols.begin(), kProtocols.end(),
                                   [name](const Protocol& known) { return known.name == name; });
    return row == kProtocols.end() ? nullptr : row;
}

bool is_icmp(Detail detail) {
    return detail == Detail::kIcmp || detail == Detail::kIcmp6;
}

Service protocol_service(std::uint8_t number) {
    Service service;
    service.kind = Service::Kind::kProtocol;
    service.protocol = number;
    return service;
}

Service service_of(const Protocol& protocol) {
    Service service = protocol_service(protocol.number);
    service.family_bound = is_icmp(protocol.detail);
    service.family = protocol.detail == Detail::kIcmp6 ? Family::kIpv6 : Family::kIpv4;
    return service;
}

// The services of a protocol that are known by name, from /etc/services. Read once: a policy may name a
// hundred thousand of them.
const std::map<std::string, std::uint16_t, std::less<>>& ports_by_name(std::string_view protocol) {
    using Ports = std::map<std::string, std::uint16_t, std::less<>>;
    static const std::map<std::string, Ports, std::less<>> by_protocol = [] {
        std::map<std::string, Ports, std::less<>> all;
        setservent(1);
        while (const servent* entry = getservent()) {
            Ports& ports = all[entry->s_proto];
            const std::uint16_t port = ntohs(static_cast<std::uint16_t>(entry->s_port));
            ports.emplace(entry->s_name, port);
            for (char** alias = entry->s_aliases; *alias != nullptr; ++alias) {
                ports.emplace(*alias, port);
            }
        }
        endservent();
        return all;
    }();
    static const Ports none;
    const auto found = by_protocol.find(protocol);
    return found == by_protocol.end() ? none : found->second;
}

std::optional<std::uint16_t> port_by_name(std::string_view name, std::string_view protocol) {
    const auto& ports = ports_by_name(protocol);
    const auto found = ports.find(name);
    return found == ports.end() ? std::nullopt : std::optional(found->second);
}

Result<std::uint16_t> parse_port_number(std::string_view text, std::string_view digits) {
    const auto port = parse_number(digits, kLastPort);
    if (!port) {
        return refuse(fmt::format("\"{}\" in \"{}\" is not a port (0 to {})", digits, text, kLastPort));
    }
    return static_cast<std::uint16_t>(*port);
}

Result<Range> parse_ports(std::string_view text, const Protocol& protocol, std::string_view ports) {
    if (is_digits(ports)) {
        return parse_port_number(text, ports).map([](std::uint16_t port) { return Range{port, port}; });
    }
    if (const auto range = split_range(ports)) {
        const auto first = parse_port_number(text, range->first);
        const auto last = parse_port_number(text, range->second);
        if (!first || !last) {
            return tl::unexpected<Error>(first ? last.error() : first.error());
        }
        if (*first > *last) {
            return refuse(fmt::format("the range in \"{}\" runs backwards; did you mean \"{}/{}-{}\"?", text,
                                      protocol.name, *last, *first));
        }
        return Range{*first, *last};
    }
    if (const auto port = port_by_name(ports, protocol.name)) {
        return Range{*port, *port};
    }
    return refuse(
        fmt::format("\"{}\" in \"{}\" is neither a port (0 to {}) nor a service of {} in /etc/services",
                    ports, text, kLastPort, protocol.name));
}

Result<Service> parse_number_service(std::string_view digits) {
    const auto number = parse_number(digits, kLastProtocol);
    if (!number) {
        return refuse(fmt::format("\"{0}\" is not a protocol number (0 to {1}); a port is written tcp/22",
                                  digits, kLastProtocol));
    }
    return protocol_service(static_cast<std::uint8_t>(*number));
}

// "ssh" is a service of tcp: write tcp/22. Empty when the word names no port.
std::string port_name_message(std::string_view word) {
    std::vector<std::string_view> protocols;
    std::vector<std::string> written;
    for (const Protocol& protocol : kProtocols) {
        const auto port = protocol.detail == Detail::kPort ? port_by_name(word, protocol.name) : std::nullopt;
        if (port) {
            protocols.push_back(protocol.name);
            written.push_back(fmt::format("{}/{}", protocol.name, *port));
        }
    }
    if (protocols.empty()) {
        return {};
    }
    return fmt::format("\"{}\" is a service of {}: write {}", word, fmt::join(protocols, " and "),
                       fmt::join(written, " or "));
}

tl::unexpected<Error> refuse_unknown(std::string_view text, std::string_view head, std::string_view tail) {
    std::string named_port = tail.empty() ? port_name_message(head) : "";
    if (!named_port.empty()) {
        return refuse(std::move(named_port));
    }
    std::vector<std::string_view> names = {"any"};
    for (const Protocol& protocol : kProtocols) {
        names.push_back(protocol.name);
    }
    if (const auto meant = nearest(head, names)) {
        return refuse(fmt::format("unknown service \"{}\"; did you mean \"{}{}\"?", text, *meant, tail));
    }
    return refuse(
        fmt::format("unknown service \"{}\"; a service is any, icmp, tcp/22, udp/1000-2000, or a "
                    "protocol's name or number",
                    text));
}

tl::unexpected<Error> refuse_detail(std::string_view text) {
    return refuse(fmt::format("\"{}\": tcp, udp and sctp alone have ports here, icmp and icmp6 types", text));
}

Result<Service> parse_known(std::string_view text, const Protocol& protocol, std::string_view tail) {
    Service service = service_of(protocol);
    if (tail.empty()) {
        return service;
    }
    const std::string_view what = is_icmp(protocol.detail) ? "type" : "port";
    const std::string_view detail = tail.substr(1);
    if (protocol.detail == Detail::kNone) {
        return refuse_detail(text);
    }
    if (detail.empty()) {
        return refuse(
            fmt::format("\"{0}\" ends without a {1}; {2} alone means every {1}", text, what, protocol.name));
    }
    const auto selector =
        is_icmp(protocol.detail) ? parse_icmp(service.family, detail) : parse_ports(text, protocol, detail);
    if (!selector) {
        return tl::unexpected<Error>(selector.error());
    }
    service.has_selector = true;
    service.selector = *selector;
    return service;
}

std::string format_ports(const Range& ports) {
    return ports.first == ports.last ? std::to_string(ports.first)
                                     : fmt::format("{}-{}", ports.first, ports.last);
}

// What no service that can be written says.
std::string format_source_port(const Service& service) {
    return service.source_port == Range{} ? "" : " from port " + format_ports(service.source_port);
}

bool covers(const Range& outer, const Range& inner) {
    return outer.first <= inner.first && inner.last <= outer.last;
}

// Sorts services that have a selector so that those which can cover one another are neighbours, the widest
// range of those that begin at one port first.
bool by_range(const Service& one, const Service& other) {
    const auto group = [](const Service& service) {
        return std::tie(service.kind, service.protocol, service.family_bound, service.family,
                        service.source_port, service.selector.first);
    };
    const bool is_wider = one.selector.last > other.selector.last;
    return group(one) < group(other) || (group(one) == group(other) && is_wider);
}

}  // namespace

Result<Service> parse_service(std::string_view text) {
    const std::string word = lower_case(text);
    const std::string_view view = word;
    const std::size_t slash = std::min(view.find('/'), view.size());
    const std::string_view head = view.substr(0, slash);
    const std::string_view tail = view.substr(slash);  // empty, or the slash and what follows

    if (view == "any") {
        return Service{};
    }
    if (is_digits(view)) {
        return parse_number_service(view);
    }
    if (head == "proto" && !tail.empty()) {
        return parse_number_service(tail.substr(1));
    }
    if (const Protocol* protocol = find_protocol(head)) {
        return parse_known(text, *protocol, tail);
    }
    if (head == "any" || is_digits(head)) {
        return refuse_detail(text);
    }
    return refuse_unknown(text, head, tail);
}

std::string format_service(const Service& service) {
    if (service.kind == Service::Kind::kAny) {
        return "any";
    }
    const auto* row = std::find_if(kProtocols.begin(), kProtocols.end(), [&](const Protocol& known) {
        return known.number == service.protocol && (!is_icmp(known.detail) || service.family_bound);
    });
    if (row == kProtocols.end()) {
        return std::to_string(service.protocol);
    }
    std::string out(row->name);
    const bool has_any_port = service.selector == Range{} && service.source_port != Range{};
    if (service.has_selector && !has_any_port) {
        out += "/" + (is_icmp(row->detail) ? format_icmp(service.family, service.selector)
                                           : format_ports(service.selector));
    }
    return out + format_source_port(service);
}

bool has_ports(const Service& service) {
    return service.kind == Service::Kind::kProtocol &&
           (service.protocol == kProtocolTcp || service.protocol == kProtocolUdp ||
            service.protocol == kProtocolSctp);
}

void reduce(std::vector<Service>& services) {
    if (services.size() < 2) {
        return;
    }
    // There are not many without a selector; those with one can cover only within their group.
    std::sort(services.begin(), services.end());
    services.erase(std::unique(services.begin(), services.end()), services.end());
    std::vector<Service> wide;
    std::vector<Service> ranges;
    for (const Service& service : services) {
        (service.has_selector ? ranges : wide).push_back(service);
    }
    const auto is_in_wide = [&](const Service& service) {
        return std::any_of(wide.begin(), wide.end(),
                           [&](const Service& outer) { return outer != service && covers(outer, service); });
    };
    services.clear();
    std::copy_if(wide.begin(), wide.end(), std::back_inserter(services),
                 [&](const Service& service) { return !is_in_wide(service); });
    std::sort(ranges.begin(), ranges.end(), by_range);
    std::optional<Service> outer;  // the last that was kept: of its group it reaches furthest
    for (const Service& service : ranges) {
        if (!(outer && covers(*outer, service)) && !is_in_wide(service)) {
            services.push_back(service);
            outer = service;
        }
    }
    std::sort(services.begin(), services.end());
}

bool covers(const Service& outer, const Service& inner) {
    if (outer.kind != Service::Kind::kProtocol || inner.kind != Service::Kind::kProtocol) {
        return outer.kind == Service::Kind::kAny || outer == inner;
    }
    if (outer.protocol != inner.protocol) {
        return false;
    }
    if (outer.family_bound && !(inner.family_bound && inner.family == outer.family)) {
        return false;
    }
    return !outer.has_selector || (inner.has_selector && covers(outer.selector, inner.selector) &&
                                   covers(outer.source_port, inner.source_port));
}

}  // namespace fwctl::policy
