#include "analyze/boxes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "policy/field.h"

namespace fwctl::analyze {

namespace {

constexpr std::array kFamilies = {Family::kIpv4, Family::kIpv6};
const Ranges no(0, 0);
const Ranges yes(1, 1);

Kinds kinds_with(Layer4 layer4) {
    return kind_of(Family::kIpv4, layer4) | kind_of(Family::kIpv6, layer4);
}

bool holds_for(const Service& service, Family family) {
    return !service.family_bound || service.family == family;
}

// Where a field that all packets of some kinds have lies. kFragment and kEthertype are said otherwise.
struct Where {
    Dimension dimension;
    Kinds kinds;
};

Where where(Field field) {
    const Kinds ip = kinds_of(Family::kIpv4) | kinds_of(Family::kIpv6);
    const Kinds tcp = kinds_with(Layer4::kTcp);
    switch (field) {
        case Field::kSourcePort:
            return {kSourcePort, tcp | kinds_with(Layer4::kUdp) | kinds_with(Layer4::kSctp)};
        case Field::kTcpFlags:
            return {kFlags, tcp};
        case Field::kTtl:
            return {kTtl, ip};
        case Field::kDscp:
            return {kDscp, ip};
        case Field::kVlan:
            return {kVlan, kAllKinds};
        case Field::kMac:
            return {kMac, kAllKinds};
        case Field::kFragment:
            return {kFragment, ip};
        case Field::kEthertype:
            return {kEthertype, kAllKinds};
        case Field::kState:
            return {kState, ip};
        case Field::kLength:
            break;
    }
    return {kLength, kAllKinds};
}

// The numbers up to `largest` that the interval contains; nullopt when they may be in too many pieces.
std::optional<std::vector<Span>> spans_of(const Interval& interval, std::uint64_t largest) {
    constexpr std::uint64_t kFewEnoughToTry = 65535;
    const std::uint64_t bits = ~std::uint64_t{0} >> std::countl_zero(largest);
    const std::uint64_t mask = interval.mask & bits;
    const std::uint64_t block = bits - mask + 1;  // that many numbers in a row look the same, if only low
    const bool only_low_bits_are_masked = bits == largest && std::has_single_bit(block);
    std::vector<Span> spans;
    if (only_low_bits_are_masked || mask == bits) {
        const std::uint64_t first = interval.first / block + (interval.first % block == 0 ? 0 : 1);
        const std::uint64_t last = std::min(interval.last, largest) / block;
        if (first <= last) {
            spans.push_back({Number{first} * block, Number{last} * block + (block - 1)});
        }
        return spans;
    }
    if (largest > kFewEnoughToTry) {
        return std::nullopt;
    }
    for (std::uint64_t value = 0; value <= largest; ++value) {
        if (interval.contains(value)) {
            spans.push_back({value, value});
        }
    }
    return spans;
}

std::optional<Ranges> ranges_of(const FieldMatch& match) {
    const std::uint64_t largest = policy::info_of(match.field).largest;
    std::vector<Span> all;
    for (const Interval& interval : match.any_of) {
        const auto spans = spans_of(interval, largest);
        if (!spans) {
            return std::nullopt;
        }
        all.insert(all.end(), spans->begin(), spans->end());
    }
    return Ranges(std::move(all));
}

}  // namespace

std::vector<Box> Translator::boxes_of(const Rule& rule) {
    // All that a rule has, so that a new condition does not compile before it is thought of here.
    const auto& [name, comment, action, reject_with, redirect, sample, ban, services, from, to, fields, on,
                 direction, rate, origin, expires, place] = rule;
    Drafts drafts = of_services(services);
    drafts = with_addresses(drafts, kSource, from);
    drafts = with_addresses(drafts, kDestination, to);
    for (const FieldMatch& match : fields) {
        drafts = with_field(drafts, match);
    }
    drafts = with_interfaces(drafts, on);

    std::vector<Box> boxes;
    for (Draft& draft : drafts) {
        bool is_something = space_.narrow(draft.box, kKind, *space_.kinds(draft.kinds));
        if (direction != Direction::kBoth) {
            is_something &= space_.narrow(draft.box, kWay, direction == Direction::kIn ? no : yes);
        }
        // When the rule ends, and which packets are over a rate, nobody knows.
        if (expires != 0 || rate) {
            is_something &= space_.narrow(draft.box, unknown_of_rule(), yes);
        }
        if (is_something) {
            boxes.push_back(std::move(draft.box));
        }
    }
    return boxes;
}

void Translator::add(Draft draft, Kinds kinds, Dimension dimension, const Ranges& values, Drafts& drafts) {
    draft.kinds &= kinds;
    if (draft.kinds != 0 && space_.narrow(draft.box, dimension, values)) {
        drafts.push_back(std::move(draft));
    }
}

// Services of one shape are put together: a rule on a hundred ports is one box.
Translator::Drafts Translator::of_services(const std::vector<Service>& services) {
    Drafts drafts;
    for (const Service& service : services) {
        if (service.kind == Service::Kind::kAny) {
            return {Draft{}};
        }
    }
    add_whole_protocols(services, drafts);
    add_selected(services, drafts);
    return drafts;
}

void Translator::add_whole_protocols(const std::vector<Service>& services, Drafts& drafts) {
    Kinds known_by_kind = 0;
    std::map<Kinds, std::vector<Span>> protocols;
    for (const Service& service : services) {
        if (service.kind != Service::Kind::kProtocol || service.has_selector) {
            continue;
        }
        for (const Family family : kFamilies) {
            if (!holds_for(service, family)) {
                continue;
            }
            const Layer4 layer4 = layer4_of(family, service.protocol);
            if (layer4 == Layer4::kOther) {
                protocols[kind_of(family, Layer4::kOther)].push_back({service.protocol, service.protocol});
            } else {
                known_by_kind |= kind_of(family, layer4);
            }
            protocols[kind_of(family, Layer4::kLater)].push_back({service.protocol, service.protocol});
        }
    }
    if (known_by_kind != 0) {
        drafts.push_back({known_by_kind, {}});
    }
    std::map<std::vector<Span>, Kinds> by_protocols;
    for (const auto& [kind, spans] : protocols) {
        by_protocols[Ranges(spans).spans()] |= kind;
    }
    for (const auto& [spans, kinds] : by_protocols) {
        add({}, kinds, kProtocol, Ranges(spans), drafts);
    }
}

void Translator::add_selected(const std::vector<Service>& services, Drafts& drafts) {
    std::map<std::pair<Kinds, policy::Range>, std::vector<Span>> selectors;  // by kinds and source port
    for (const Service& service : services) {
        if (service.kind != Service::Kind::kProtocol || !service.has_selector) {
            continue;
        }
        Kinds kinds = 0;
        for (const Family family : kFamilies) {
            const Layer4 layer4 = layer4_of(family, service.protocol);
            if (holds_for(service, family) && layer4 != Layer4::kOther) {
                kinds |= kind_of(family, layer4);
            }
        }
        selectors[{kinds, service.source_port}].push_back({service.selector.first, service.selector.last});
    }
    for (auto& [shape, spans] : selectors) {
        Draft draft;
        if (space_.narrow(draft.box, kSourcePort, Ranges(shape.second.first, shape.second.last))) {
            add(std::move(draft), shape.first, kSelector, Ranges(std::move(spans)), drafts);
        }
    }
}

Translator::Drafts Translator::with_addresses(const Drafts& drafts, Dimension side,
                                              const Addresses& addresses) {
    if (addresses.empty()) {
        return drafts;
    }
    Drafts result;
    for (const Draft& draft : drafts) {
        for (const Family family : kFamilies) {
            add_family(draft, side, addresses, family, result);
        }
    }
    return result;
}

void Translator::add_family(const Draft& draft, Dimension side, const Addresses& addresses, Family family,
                            Drafts& drafts) {
    const auto narrow_unknown = [&](Box& box, const std::string& set, const Ranges& value) {
        return !addresses_.is_dynamic(set) || space_.narrow(box, unknown_member(side, set), value);
    };
    Draft outside = draft;
    for (const std::string& set : addresses.except_sets) {
        if (!narrow_unknown(outside.box, set, no)) {
            return;
        }
    }
    const AddressesOfFamily known = addresses_.of(addresses, family);
    const auto add_values = [&](const Draft& base, const Ranges* values) {
        if (values != nullptr) {
            // All of them are said by the kinds already.
            const bool is_every = *values == *space_.every_address(family);
            add(base, kinds_of(family), side, is_every ? *space_.everything(side) : *values, drafts);
        }
    };
    add_values(outside, known.named);
    for (const std::string& set : addresses.sets) {
        Draft member = outside;
        if (addresses_.is_dynamic(set) && narrow_unknown(member.box, set, yes)) {
            add_values(member, known.allowed);
        }
    }
}

Translator::Drafts Translator::with_field(const Drafts& drafts, const FieldMatch& match) {
    const auto values = ranges_of(match);
    Drafts result;
    for (const Draft& draft : drafts) {
        if (!values) {
            add(draft, kAllKinds, unknown_of_rule(), yes, result);
        } else if (match.field == Field::kFragment) {
            const Kinds later = kinds_with(Layer4::kLater);
            const auto is_later = static_cast<Number>(FragmentKind::kLater);
            add(draft, values->contains(is_later) ? later : 0, kKind, *space_.everything(kKind), result);
            add(draft, where(match.field).kinds & ~later, kFragment, *values, result);
        } else if (match.field == Field::kEthertype) {
            const Kinds ip = (values->contains(kEthertypeIpv4) ? kinds_of(Family::kIpv4) : 0) |
                             (values->contains(kEthertypeIpv6) ? kinds_of(Family::kIpv6) : 0);
            add(draft, ip, kKind, *space_.everything(kKind), result);
            add(draft, kNotIp, kEthertype, *values, result);
        } else {
            const auto [dimension, kinds] = where(match.field);
            add(draft, kinds, dimension, *values, result);
        }
    }
    return result;
}

Translator::Drafts Translator::with_interfaces(const Drafts& drafts, const std::vector<std::string>& on) {
    if (on.empty()) {
        return drafts;
    }
    Drafts result;
    std::vector<Span> classes;
    for (const std::string& pattern : on) {
        if (names_) {
            const auto& spans = names_->of_pattern.at(pattern).spans();
            classes.insert(classes.end(), spans.begin(), spans.end());
            continue;
        }
        const Dimension matches = space_.unknown(fmt::format("on {}", pattern));
        for (const Draft& draft : drafts) {
            add(draft, kAllKinds, matches, yes, result);
        }
    }
    const Ranges known(std::move(classes));
    for (const Draft& draft : drafts) {
        add(draft, kAllKinds, kInterface, known, result);
    }
    return result;
}

Dimension Translator::unknown_member(Dimension side, const std::string& set) {
    return space_.unknown(fmt::format("{} in @{}", side == kSource ? "source" : "destination", set));
}

// A condition that no other rule has.
Dimension Translator::unknown_of_rule() {
    return space_.unknown(fmt::format("rule's own {}", unknowns_of_rules_++));
}

}  // namespace fwctl::analyze
