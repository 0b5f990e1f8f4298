#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>

#include "generate/address.h"
#include "generate/packets.h"
#include "policy/field.h"
#include "policy/rule.h"

namespace fwctl::generate {

using policy::Addresses;
using policy::Context;
using policy::Family;
using policy::Field;
using policy::FragmentKind;
using policy::Interval;
using policy::PacketView;
using policy::Prefix;
using policy::Rule;
using policy::Service;

namespace {

constexpr int kTries = 8;

const policy::Set* find_set(const Context& context, const std::string& name) {
    if (context.sets == nullptr) return nullptr;
    const auto found = std::find_if(context.sets->begin(), context.sets->end(),
                                    [&](const policy::Set& set) { return set.name == name; });
    return found == context.sets->end() ? nullptr : &*found;
}

// One of the blocks of that family; nullopt: there is none.
std::optional<Prefix> pick_block(const std::vector<Prefix>& blocks, Family family, Random& random) {
    std::vector<Prefix> fitting;
    std::copy_if(blocks.begin(), blocks.end(), std::back_inserter(fitting),
                 [family](const Prefix& block) { return block.family == family; });
    return fitting.empty() ? std::nullopt : std::optional(random.pick(fitting));
}

// The same for the elements of a set, which are sorted by family and may be many.
std::optional<Prefix> pick_element(const std::vector<Prefix>& elements, Family family, Random& random) {
    const auto split = std::partition_point(elements.begin(), elements.end(), [](const Prefix& element) {
        return element.family == Family::kIpv4;
    });
    const auto first = family == Family::kIpv4 ? elements.begin() : split;
    const auto last = family == Family::kIpv4 ? split : elements.end();
    if (first == last) return std::nullopt;
    return first[static_cast<std::ptrdiff_t>(random.below(static_cast<std::uint64_t>(last - first)))];
}

std::optional<Prefix> pick_member(const std::string& set, const Context& context, Family family,
                                  Random& random) {
    const auto members = context.members.find(set);
    const policy::Set* in_policy = find_set(context, set);
    std::optional<Prefix> block;
    if (in_policy != nullptr) block = pick_element(in_policy->elements, family, random);
    if (members != context.members.end() && (!block || random.percent(30))) {
        std::vector<Prefix> blocks;
        for (const policy::Member& member : members->second) blocks.push_back(member.prefix);
        const auto live = pick_block(blocks, family, random);
        if (live) block = live;
    }
    return block;
}

// One of the blocks that an address is to be in, or not to be in.
std::optional<Prefix> pick_from(const std::vector<Prefix>& prefixes, const std::vector<std::string>& sets,
                                const Context& context, Family family, Random& random) {
    const auto block = pick_block(prefixes, family, random);
    if (sets.empty() || (block && random.percent(50))) return block;
    const auto member = pick_member(random.pick(sets), context, family, random);
    return member ? member : block;
}

// One rule and the packet that is made for it.
class Aim {
public:
    Aim(const Rule& rule, const Context& context, Random& random)
        : rule_(rule), context_(context), random_(random), view_(random_packet(random)) {}

    PacketView packet() {
        draw_miss();
        draw_family();
        for (const policy::FieldMatch& match : rule_.fields) set_field(match);
        draw_service(misses());
        if (!rule_.from.empty()) view_.source = address_for(rule_.from, misses());
        if (!rule_.to.empty()) view_.destination = address_for(rule_.to, misses());
        if (!rule_.on.empty()) draw_interface(misses());
        if (rule_.direction != policy::Direction::kBoth) draw_direction(misses());
        return possible(view_);
    }

private:
    // Which of the things that the rule asks for the packet shall just miss.
    void draw_miss() {
        const std::size_t asked = rule_.fields.size() + 5;
        miss_ = random_.percent(50) ? random_.below(asked) : asked;
    }

    bool misses() { return asked_++ == miss_; }

    bool suits(const Addresses& addresses, Family family) {
        if (addresses.prefixes.empty() && addresses.sets.empty()) return true;
        return pick_from(addresses.prefixes, addresses.sets, context_, family, random_).has_value();
    }

    bool suits(Family family) {
        const bool of_service = std::any_of(
            rule_.services.begin(), rule_.services.end(),
            [family](const Service& service) { return !service.family_bound || service.family == family; });
        const bool of_source = suits(rule_.from, family);
        const bool of_destination = suits(rule_.to, family);
        return of_service && of_source && of_destination;
    }

    void draw_family() {
        const bool has_addresses = !rule_.from.empty() || !rule_.to.empty();
        const bool any_service = rule_.services.front().kind == Service::Kind::kAny;
        if (any_service && !has_addresses && !view_.family) {
            view_.family.reset();
            return;
        }
        const bool ipv6_first = random_.percent(40);
        const Family first = ipv6_first ? Family::kIpv6 : Family::kIpv4;
        const Family second = ipv6_first ? Family::kIpv4 : Family::kIpv6;
        set_family(suits(first) ? first : second);
    }

    void set_family(Family family) {
        if (view_.family == family) return;
        view_.family = family;
        if (!view_.state) view_.state = static_cast<policy::FlowState>(random_.below(5));
        view_.source = any_of({family, 0, {}}, random_);
        view_.destination = any_of({family, 0, {}}, random_);
    }

    // A number within, at either end of, or beside a range.
    std::uint64_t number(std::uint64_t first, std::uint64_t last, std::uint64_t largest, bool miss) {
        if (miss) {
            const bool before = random_.percent(50) || last >= largest;
            if (before && first > 0) return first - 1;
            if (last < largest) return last + 1;
        }
        switch (random_.below(4)) {
            case 0:
                return first;
            case 1:
                return last;
            default:
                return random_.between(first, last);
        }
    }

    std::uint64_t number(const Interval& interval, std::uint64_t largest, bool miss) {
        if (~interval.mask == 0)
            return number(interval.first, std::min(interval.last, largest), largest, miss);
        std::uint64_t value = random_.between(interval.first, interval.last) & interval.mask;
        value |= random_.below(largest + 1) & ~interval.mask;
        if (miss) value ^= std::uint64_t{1} << random_.below(8);
        return value;
    }

    void set_field(const policy::FieldMatch& match) {
        const Interval& interval = random_.pick(match.any_of);
        std::uint64_t largest = policy::info_of(match.field).largest;
        if (match.field == Field::kLength) largest = kLongestPacket;
        const std::uint64_t value = number(interval, largest, misses());
        switch (match.field) {
            case Field::kSourcePort:
                view_.source_port = static_cast<std::uint16_t>(value);
                need_l4();
                break;
            case Field::kTcpFlags:
                view_.tcp_flags = static_cast<std::uint8_t>(value);
                need_l4();
                break;
            case Field::kFragment:
                view_.fragment = static_cast<FragmentKind>(value);
                if (view_.fragment == FragmentKind::kAtomic && suits(Family::kIpv6))
                    set_family(Family::kIpv6);
                break;
            case Field::kLength:
                view_.length = static_cast<std::uint32_t>(value);
                break;
            case Field::kTtl:
                view_.ttl = static_cast<std::uint8_t>(value);
                break;
            case Field::kDscp:
                view_.dscp = static_cast<std::uint8_t>(value);
                break;
            case Field::kVlan:
                view_.vlan = static_cast<std::uint16_t>(value);
                if (!view_.mac) view_.mac = 1;
                break;
            case Field::kMac:
                view_.mac = value;
                break;
            case Field::kEthertype:
                set_ethertype(static_cast<std::uint16_t>(value));
                break;
            case Field::kState:
                view_.state = static_cast<policy::FlowState>(value);
                break;
        }
    }

    // A later fragment has none.
    void need_l4() {
        if (view_.fragment == FragmentKind::kLater) view_.fragment = FragmentKind::kNone;
    }

    void set_ethertype(std::uint16_t ethertype) {
        view_.ethertype = ethertype;
        if (ethertype == 0x0800)
            set_family(Family::kIpv4);
        else if (ethertype == 0x86dd)
            set_family(Family::kIpv6);
        else
            view_.family.reset();
    }

    void draw_service(bool miss) {
        std::vector<Service> fitting;
        for (const Service& service : rule_.services)
            if (!service.family_bound || service.family == view_.family) fitting.push_back(service);
        if (fitting.empty()) return;
        const Service service = random_.pick(fitting);
        if (service.kind != Service::Kind::kProtocol) return;
        view_.protocol = service.protocol;
        if (!service.has_selector) {
            if (miss) view_.protocol ^= 1;
            return;
        }
        need_l4();
        view_.selector =
            static_cast<std::uint16_t>(number(service.selector.first, service.selector.last, 65535, miss));
        if (service.source_port != policy::Range{})
            view_.source_port = static_cast<std::uint16_t>(
                number(service.source_port.first, service.source_port.last, 65535, miss));
    }

    Address in_block(const Prefix& block) {
        switch (random_.below(4)) {
            case 0:
                return first_of(block);
            case 1:
                return last_of(block);
            default:
                return any_of(block, random_);
        }
    }

    // Just outside of a block that the rule wants, or within one that it excepts.
    Address beside(const Addresses& wanted, Family family) {
        const auto excepted = pick_from(wanted.except, wanted.except_sets, context_, family, random_);
        const auto block = pick_from(wanted.prefixes, wanted.sets, context_, family, random_);
        if (excepted && (!block || random_.percent(60))) return in_block(*excepted);
        if (!block) return any_of({family, 0, {}}, random_);
        return random_.percent(50) ? previous(family, first_of(*block)) : next(family, last_of(*block));
    }

    Address inside(const Addresses& wanted, Family family) {
        const auto block = pick_from(wanted.prefixes, wanted.sets, context_, family, random_);
        if (block) return in_block(*block);
        const auto excepted = pick_from(wanted.except, wanted.except_sets, context_, family, random_);
        if (!excepted || random_.percent(50)) return any_of({family, 0, {}}, random_);
        return random_.percent(50) ? previous(family, first_of(*excepted)) : next(family, last_of(*excepted));
    }

    Address address_for(const Addresses& wanted, bool miss) {
        if (!view_.family) return {};
        if (miss) return beside(wanted, *view_.family);
        Rule asked;  // for these addresses alone
        asked.services = {Service{}};
        asked.from = wanted;
        PacketView view;
        view.family = view_.family;
        for (int i = 0; i < kTries; ++i) {
            view.source = inside(wanted, *view_.family);
            if (policy::matches(asked, view, context_)) break;
        }
        return view.source;
    }

    void draw_interface(bool miss) {
        for (int i = 0; i < kTries; ++i) {
            const bool matches =
                std::any_of(view_.interfaces.begin(), view_.interfaces.end(),
                            [&](const std::string& name) { return policy::any_matches(rule_.on, name); });
            if (matches != miss) return;
            view_.interfaces = random_packet(random_).interfaces;
        }
    }

    void draw_direction(bool miss) {
        const bool in = (rule_.direction == policy::Direction::kIn) != miss;
        view_.direction = in ? policy::Direction::kIn : policy::Direction::kOut;
    }

    const Rule& rule_;
    const Context& context_;
    Random& random_;
    PacketView view_;
    std::size_t miss_ = 0;
    std::size_t asked_ = 0;
};

}  // namespace

PacketView aimed_packet(const std::vector<Rule>& rules, const Context& context, Random& random) {
    if (random.percent(5)) return random_packet(random);
    return Aim(random.pick(rules), context, random).packet();
}

}  // namespace fwctl::generate
