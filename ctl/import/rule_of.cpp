#include "import/rule_of.h"

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <utility>

#include <fmt/format.h>

#include "import/conditions.h"
#include "policy/icmp.h"
#include "policy/prefix.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::importer {

namespace {

using policy::Family;
using policy::Field;
using policy::FieldMatch;
using policy::Interval;
using policy::Range;
using policy::Service;

std::uint8_t icmp_of(Family family) {
    return family == Family::kIpv4 ? policy::kProtocolIcmp : policy::kProtocolIcmp6;
}

Service service_of(std::uint8_t protocol, std::optional<Family> family) {
    Service service;
    service.kind = Service::Kind::kProtocol;
    service.protocol = protocol;
    if (family && protocol == icmp_of(*family)) {
        service.family_bound = true;
        service.family = *family;
    }
    return service;
}

std::uint16_t narrow(Number value) {
    return static_cast<std::uint16_t>(value);
}

// An ICMP selector is written as whole types or as one code of one type.
std::vector<Range> messages(const Numbers& selectors) {
    std::vector<Range> ranges;
    for (const Span& span : selectors.spans()) {
        Number next = span.first;
        while (next <= span.last) {
            Number last = next;
            if (next % 256 == 0 && span.last - next >= 255) {
                last = next + (span.last - next + 1) / 256 * 256 - 1;
            }
            ranges.push_back({narrow(next), narrow(last)});
            next = last + 1;
        }
    }
    return ranges;
}

std::vector<Range> ports(const Numbers& selectors) {
    std::vector<Range> ranges;
    for (const Span& span : selectors.spans()) {
        ranges.push_back({narrow(span.first), narrow(span.last)});
    }
    return ranges;
}

bool is_icmp(const Match& match) {
    const auto family = match.family();
    return family && match[Axis::kProtocol] == Numbers::one(icmp_of(*family));
}

std::vector<Service> services_of(const Match& match) {
    if (!match.asks(Axis::kProtocol)) {
        return {Service{}};
    }
    const bool has_selector = match.asks(Axis::kSelector);
    std::vector<Range> selectors = {Range{}};
    if (has_selector) {
        selectors = is_icmp(match) ? messages(match[Axis::kSelector]) : ports(match[Axis::kSelector]);
    }
    std::vector<Service> services;
    for (const Span& span : match[Axis::kProtocol].spans()) {
        for (Number protocol = span.first; protocol <= span.last; ++protocol) {
            for (const Range& selector : selectors) {
                Service service = service_of(static_cast<std::uint8_t>(protocol), match.family());
                service.has_selector = has_selector;
                service.selector = selector;
                services.push_back(service);
            }
        }
    }
    return services;
}

Status add_blocks(const Match& match, const Numbers& addresses, std::vector<policy::Prefix>& blocks) {
    for (const policy::Prefix& block : blocks_of(*match.family(), addresses)) {
        const auto readable = policy::parse_prefix(policy::format_prefix(block));
        if (!readable) {
            return tl::unexpected<Error>(readable.error());
        }
        blocks.push_back(block);
    }
    return {};
}

Result<policy::Addresses> addresses_of(const Match& match, Axis side) {
    policy::Addresses addresses;
    for (const SetTest& test : match.sets) {
        if (test.side == side) {
            (test.inside ? addresses.sets : addresses.except_sets).push_back(test.set);
        }
    }
    if (addresses.sets.size() > 1) {
        return fail("a rule cannot ask for two sets at once");
    }
    if (!match.asks(side)) {
        return addresses;
    }
    if (!match.family()) {
        return fail("addresses are compared without an IP version");
    }
    const Numbers outside = match[side].outside(largest_address(*match.family()));
    const bool as_except = !addresses.sets.empty() || blocks_of(*match.family(), outside).size() <
                                                          blocks_of(*match.family(), match[side]).size();
    const Status added = as_except ? add_blocks(match, outside, addresses.except)
                                   : add_blocks(match, match[side], addresses.prefixes);
    if (!added) {
        return tl::unexpected<Error>(added.error());
    }
    return addresses;
}

// The bytes whose bits in `mask` are `value`.
std::bitset<256> cube(unsigned mask, unsigned value) {
    std::bitset<256> bytes;
    const unsigned free = ~mask & 0xff;
    for (unsigned bits = free;; bits = (bits - 1) & free) {
        bytes.set(value | bits);
        if (bits == 0) {
            return bytes;
        }
    }
}

// The fewest tests of bits, as far as a greedy choice finds them, that hold for these values together.
std::vector<Interval> flag_tests(const Numbers& flags) {
    std::bitset<256> wanted;
    for (unsigned byte = 0; byte < 256; ++byte) {
        wanted.set(byte, flags.contains(byte));
    }
    std::vector<Interval> tests;
    std::bitset<256> left = wanted;
    for (int bits = 0; bits <= 8 && left.any(); ++bits) {
        for (unsigned mask = 0; mask < 256; ++mask) {
            for (unsigned value = mask; std::popcount(mask) == bits; value = (value - 1) & mask) {
                const std::bitset<256> bytes = cube(mask, value);
                if ((bytes & ~wanted).none() && (bytes & left).any()) {
                    tests.push_back({mask, value, value});
                    left &= ~bytes;
                }
                if (value == 0) {
                    break;
                }
            }
        }
    }
    return tests;
}

std::vector<Interval> intervals(const Numbers& values) {
    std::vector<Interval> list;
    for (const Span& span : values.spans()) {
        list.push_back({~std::uint64_t{0}, static_cast<std::uint64_t>(span.first),
                        static_cast<std::uint64_t>(span.last)});
    }
    return list;
}

struct AxisField {
    Axis axis;
    Field field;
};
constexpr std::array kNumberFields = {AxisField{Axis::kSourcePort, Field::kSourcePort},
                                      AxisField{Axis::kLength, Field::kLength},
                                      AxisField{Axis::kTtl, Field::kTtl},
                                      AxisField{Axis::kDscp, Field::kDscp},
                                      AxisField{Axis::kState, Field::kState},
                                      AxisField{Axis::kVlan, Field::kVlan},
                                      AxisField{Axis::kMac, Field::kMac}};

// Whether the rest of the rule holds for these IP versions alone, without a word about them.
bool says_family(const policy::Rule& rule, const Match& match) {
    const auto bound = [](const Service& service) { return service.family_bound; };
    const bool has_blocks = !rule.from.prefixes.empty() || !rule.to.prefixes.empty();
    if (match.family()) {
        return has_blocks || std::all_of(rule.services.begin(), rule.services.end(), bound);
    }
    const bool is_ip = match[Axis::kEthertype] == of_ip()[Axis::kEthertype];
    const bool needs_ip =
        match.asks(Axis::kProtocol) || match.asks(Axis::kState) || !rule.from.empty() || !rule.to.empty();
    return is_ip && needs_ip;
}

// Whether the fragment with the layer-4 header is meant, and another part of the rule asks for that anyway.
bool says_fragment(const Match& match) {
    const Numbers with_header = of_ports(Axis::kSelector, {})[Axis::kFragment];
    return match[Axis::kFragment] == with_header &&
           (match.asks(Axis::kSelector) || match.asks(Axis::kSourcePort) || match.asks(Axis::kTcpFlags));
}

// Fragments in words: `no` is both whole and atomic, and IPv4 has no atomic ones.
bool says_whole(const Match& match) {
    const Numbers& fragment = match[Axis::kFragment];
    const auto has = [&](policy::FragmentKind kind) { return fragment.contains(static_cast<Number>(kind)); };
    return !has(policy::FragmentKind::kNone) || has(policy::FragmentKind::kAtomic);
}

std::vector<FieldMatch> fields_of(const policy::Rule& rule, const Match& match) {
    std::vector<FieldMatch> fields;
    for (const AxisField& row : kNumberFields) {
        if (match.asks(row.axis)) {
            fields.push_back({row.field, intervals(match[row.axis])});
        }
    }
    if (match.asks(Axis::kTcpFlags)) {
        fields.push_back({Field::kTcpFlags, flag_tests(match[Axis::kTcpFlags])});
    }
    if (match.asks(Axis::kFragment) && !says_fragment(match)) {
        fields.push_back({Field::kFragment, intervals(match[Axis::kFragment])});
    }
    if (match.asks(Axis::kEthertype) && !says_family(rule, match)) {
        fields.push_back({Field::kEthertype, intervals(match[Axis::kEthertype])});
    }
    std::sort(fields.begin(), fields.end());
    return fields;
}

}  // namespace

Result<policy::Rule> rule_of(const Match& match) {
    if (!says_whole(match)) {
        return fail("whole packets cannot be told from atomic fragments");
    }
    if (!match.not_on.empty()) {
        return fail(fmt::format("`on` cannot say every interface but {}", fmt::join(match.not_on, ", ")));
    }
    auto services = services_of(match);
    auto from = addresses_of(match, Axis::kSource);
    auto to = addresses_of(match, Axis::kDestination);
    if (!from || !to) {
        return tl::unexpected<Error>(from ? to.error() : from.error());
    }
    policy::Rule rule;
    rule.services = std::move(services);
    rule.from = std::move(*from);
    rule.to = std::move(*to);
    rule.fields = fields_of(rule, match);
    rule.on = match.on;
    return policy::canonical(std::move(rule));
}

}  // namespace fwctl::importer
