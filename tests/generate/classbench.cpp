#include "generate/classbench.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

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

constexpr std::size_t kLongestLine = 255;

struct Line {
    std::string source;
    std::string destination;
    unsigned source_ports[2];
    unsigned ports[2];
    unsigned protocol[2];
    unsigned flags[2];
};

std::optional<Line> split(const std::string& text) {
    char source[kLongestLine + 1];
    char destination[kLongestLine + 1];
    Line line{};
    const int found =
        std::sscanf(text.c_str(), "@%s %s %u : %u %u : %u %x/%x %x/%x", source, destination,
                    &line.source_ports[0], &line.source_ports[1], &line.ports[0], &line.ports[1],
                    &line.protocol[0], &line.protocol[1], &line.flags[0], &line.flags[1]);
    if (found != 8 && found != 10) return std::nullopt;
    line.source = source;
    line.destination = destination;
    return line;
}

std::optional<Range> read_ports(const unsigned (&ports)[2]) {
    if (ports[0] > ports[1] || ports[1] > 65535) return std::nullopt;
    return Range{static_cast<std::uint16_t>(ports[0]), static_cast<std::uint16_t>(ports[1])};
}

Result<std::vector<Prefix>> read_block(const std::string& text) {
    const auto prefix = policy::parse_prefix(text);
    if (!prefix) return tl::unexpected(prefix.error());
    if (prefix->family != Family::kIpv4) return fail("\"" + text + "\" is not an IPv4 prefix");
    if (prefix->length == 0) return std::vector<Prefix>{};
    return std::vector<Prefix>{*prefix};
}

bool has_ports(unsigned protocol) {
    return protocol == policy::kProtocolTcp || protocol == policy::kProtocolUdp ||
           protocol == policy::kProtocolSctp;
}

// The service, and what the flags say of TCP.
Status read_protocol(const Line& line, Rule& rule) {
    Service& service = rule.services.emplace_back();
    const auto ports = read_ports(line.ports);
    const auto source_ports = read_ports(line.source_ports);
    if (!ports || !source_ports) return fail("a range of ports ends before it begins, or above 65535");
    const bool asks_ports = ports != Range{} || source_ports != Range{};
    if (asks_ports && !has_ports(line.protocol[0])) return fail("ports of a protocol that has none");
    if (line.protocol[1] == 0) return {};
    if (line.protocol[1] != 0xff || line.protocol[0] > 0xff)
        return fail("the protocol's mask is neither 0xFF nor 0x00");

    service.kind = Service::Kind::kProtocol;
    service.protocol = static_cast<std::uint8_t>(line.protocol[0]);
    service.has_selector = ports != Range{};
    service.selector = *ports;
    if (source_ports != Range{})
        rule.fields.push_back(
            {Field::kSourcePort, {{~std::uint64_t{0}, source_ports->first, source_ports->last}}});

    const unsigned mask = line.flags[1] >> 8;
    const unsigned value = line.flags[0] >> 8 & mask;
    if (service.protocol == policy::kProtocolTcp && mask != 0)
        rule.fields.push_back({Field::kTcpFlags, {{mask, value, value}}});
    if (service.protocol != policy::kProtocolIcmp) return {};
    service.family_bound = true;
    service.has_selector = mask == 0xff;
    if (service.has_selector)
        service.selector =
            policy::icmp_types(static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value));
    return {};
}

Result<Rule> read_rule(const std::string& text) {
    const auto line = split(text);
    if (!line) return fail("not \"@SOURCE DESTINATION PORT : PORT PORT : PORT PROTOCOL/MASK [FLAGS/MASK]\"");
    Rule rule;
    rule.origin = policy::Origin::kFile;
    auto from = read_block(line->source);
    auto to = read_block(line->destination);
    if (!from || !to) return tl::unexpected(from ? to.error() : from.error());
    rule.from.prefixes = std::move(*from);
    rule.to.prefixes = std::move(*to);
    if (const Status read = read_protocol(*line, rule); !read) return tl::unexpected(read.error());
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

Result<Policy> read_classbench(std::string_view text) {
    Policy policy;
    std::size_t number = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        ++number;
        const std::string name = fmt::format("line {}", number);
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        if (line.size() > kLongestLine) return fail(name + ": longer than any rule");
        auto rule = read_rule(line);
        if (!rule) return context(name, rule.error());
        rule->name = name;
        policy.rules.push_back(std::move(*rule));
    }
    return policy;
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
