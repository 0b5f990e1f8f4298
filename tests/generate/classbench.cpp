#include "generate/classbench.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "generate/line_cursor.h"
#include "policy/icmp.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::generate {

using policy::Family;
using policy::Field;
using policy::FieldMatch;
using policy::Interval;
using policy::Policy;
using policy::Prefix;
using policy::Range;
using policy::Rule;
using policy::Service;

namespace {

Range read_ports(LineCursor& line) {
    constexpr unsigned kMost = 65535;
    const std::size_t column = line.column();
    const unsigned first = line.number("a port", kMost);
    line.mark(':');
    const unsigned last = line.number("a port", kMost);
    if (first > last) line.wrong(column, "the range of ports ends before it begins");
    return {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

std::vector<Prefix> read_block(LineCursor& line) {
    const std::size_t column = line.column();
    const std::string word(line.word("an IPv4 prefix like 192.0.2.0/24"));
    const auto prefix = policy::parse_prefix(word);
    if (!prefix)
        line.wrong(column, prefix.error().message);
    else if (prefix->family != Family::kIpv4)
        line.wrong(column, "\"" + word + "\" is not an IPv4 prefix");
    else if (prefix->length > 0)
        return {*prefix};
    return {};
}

struct Masked {
    unsigned value = 0;
    unsigned mask = 0;
};

Masked read_masked(LineCursor& line, const char* what, unsigned most) {
    Masked masked;
    masked.value = line.hexadecimal(what, most);
    line.mark('/');
    masked.mask = line.hexadecimal("a mask", most);
    return masked;
}

bool has_ports(unsigned protocol) {
    return protocol == policy::kProtocolTcp || protocol == policy::kProtocolUdp ||
           protocol == policy::kProtocolSctp;
}

// What the flags say: of TCP, or which type of ICMP.
void add_flags(const Masked& flags, Rule& rule) {
    Service& service = rule.services.front();
    const unsigned mask = flags.mask >> 8;
    const unsigned value = flags.value >> 8 & mask;
    if (service.protocol == policy::kProtocolTcp && mask != 0)
        rule.fields.push_back({Field::kTcpFlags, {{mask, value, value}}});
    if (service.protocol != policy::kProtocolIcmp) return;
    service.family_bound = true;
    service.has_selector = mask == 0xff;
    if (service.has_selector)
        service.selector =
            policy::icmp_types(static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value));
}

// Ports, protocol and flags.
void read_service(LineCursor& line, Rule& rule) {
    const std::size_t ports_column = line.column();
    const Range source_ports = read_ports(line);
    const Range ports = read_ports(line);
    const std::size_t column = line.column();
    const Masked protocol = read_masked(line, "a protocol", 0xff);
    Masked flags;
    if (!line.at_end()) flags = read_masked(line, "flags", 0xffff);

    const bool asks_ports = ports != Range{} || source_ports != Range{};
    if (asks_ports && !has_ports(protocol.value))
        line.wrong(ports_column, "ports of a protocol that has none");
    if (protocol.mask != 0xff && protocol.mask != 0)
        line.wrong(column, "the protocol's mask is neither 0xFF nor 0x00");
    Service& service = rule.services.emplace_back();
    if (protocol.mask == 0) return;
    service.kind = Service::Kind::kProtocol;
    service.protocol = static_cast<std::uint8_t>(protocol.value);
    service.has_selector = ports != Range{};
    service.selector = ports;
    if (source_ports != Range{})
        rule.fields.push_back(
            {Field::kSourcePort, {{~std::uint64_t{0}, source_ports.first, source_ports.last}}});
    add_flags(flags, rule);
}

Rule read_rule(LineCursor& line) {
    Rule rule;
    rule.origin = policy::Origin::kFile;
    line.mark('@');
    rule.from.prefixes = read_block(line);
    rule.to.prefixes = read_block(line);
    read_service(line, rule);
    return policy::canonical(std::move(rule));
}

// Writing.

std::optional<std::string> write_block(const policy::Addresses& addresses) {
    if (addresses.empty()) return "0.0.0.0/0";
    policy::Addresses one;
    if (addresses.prefixes.size() == 1) one.prefixes = addresses.prefixes;
    if (one != addresses || one.empty() || one.prefixes[0].family != Family::kIpv4) return std::nullopt;
    const std::string text = policy::format_prefix(one.prefixes[0]);
    return one.prefixes[0].length == 32 ? text + "/32" : text;
}

// The source ports and the flags; nullopt when the rule asks for something else.
struct Extras {
    Range source_ports;
    Interval flags{0, 0, 0};
};
std::optional<Extras> extras_of(const Rule& rule) {
    Extras extras;
    for (const FieldMatch& match : rule.fields) {
        const Interval& interval = match.any_of.front();
        if (match.any_of.size() != 1) return std::nullopt;
        if (match.field == Field::kTcpFlags && interval.mask <= 0xff)
            extras.flags = interval;
        else if (match.field == Field::kSourcePort)
            extras.source_ports = {static_cast<std::uint16_t>(interval.first),
                                   static_cast<std::uint16_t>(interval.last)};
        else
            return std::nullopt;
    }
    return extras;
}

// Port range, protocol and flags; nullopt when the format has no words for them.
std::optional<std::string> write_service(const Service& service, Extras extras) {
    Range ports;
    const bool is_icmp = service.protocol == policy::kProtocolIcmp;
    if (is_icmp && service.has_selector) {
        const auto type = static_cast<std::uint8_t>(service.selector.first >> 8);
        if (service.selector != policy::icmp_types(type, type)) return std::nullopt;
        extras.flags = {0xff, type, type};
    } else if (service.has_selector) {
        ports = service.selector;
    }
    if (service.family_bound != is_icmp) return std::nullopt;
    if (service.source_port != Range{}) return std::nullopt;
    const unsigned mask = service.kind == Service::Kind::kAny ? 0 : 0xff;
    return fmt::format("{} : {}\t{} : {}\t0x{:02x}/0x{:02X}\t0x{:04x}/0x{:04x}", extras.source_ports.first,
                       extras.source_ports.last, ports.first, ports.last, service.protocol, mask,
                       extras.flags.first << 8, extras.flags.mask << 8);
}

std::optional<std::string> write_rule(const Rule& rule) {
    const auto from = write_block(rule.from);
    const auto to = write_block(rule.to);
    const auto extras = extras_of(rule);
    const bool is_plain =
        rule.services.size() == 1 && rule.on.empty() && rule.direction == policy::Direction::kBoth;
    if (!from || !to || !extras || !is_plain) return std::nullopt;
    const auto service = write_service(rule.services[0], *extras);
    if (!service) return std::nullopt;
    return fmt::format("@{}\t{}\t{}\n", *from, *to, *service);
}

}  // namespace

Result<Policy> read_classbench(const Source& file) {
    Policy policy;
    const Status read = read_lines(file, [&](LineCursor& line, std::size_t number) {
        Rule rule = read_rule(line);
        rule.name = fmt::format("line {}", number);
        policy.rules.push_back(std::move(rule));
    });
    if (!read) return tl::unexpected(read.error());
    return policy;
}

Result<std::vector<TracePacket>> read_trace(const Source& file) {
    constexpr unsigned kAny = 0xffffffff;
    std::vector<TracePacket> packets;
    const Status read = read_lines(file, [&](LineCursor& line, std::size_t) {
        TracePacket packet;
        packet.source = line.number("an address", kAny);
        packet.destination = line.number("an address", kAny);
        packet.source_port = static_cast<std::uint16_t>(line.number("a port", 65535));
        packet.port = static_cast<std::uint16_t>(line.number("a port", 65535));
        packet.protocol = static_cast<std::uint8_t>(line.number("a protocol", 255));
        const unsigned sixth = line.at_end() ? 0 : line.number("flags or the number of a rule", kAny);
        if (!line.at_end()) {
            packet.flags = static_cast<std::uint8_t>(sixth >> 24);
            line.number("the number of a rule", kAny);
        }
        packets.push_back(packet);
    });
    if (!read) return tl::unexpected(read.error());
    return packets;
}

Result<std::string> write_classbench(const Policy& policy) {
    std::string text;
    for (const Rule& rule : policy.rules) {
        const auto line = write_rule(rule);
        if (!line) return fail(fmt::format("\"{}\" says more than the format can", rule.name));
        text += *line;
    }
    return text;
}

}  // namespace fwctl::generate
