#include "import/iptables_match.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "import/conditions.h"
#include "policy/field.h"
#include "policy/icmp.h"
#include "policy/rule.h"

namespace fwctl::importer {

namespace {

using policy::Family;

// An option with what stands around it.
struct Option {
    Family family = Family::kIpv4;
    std::string_view name;
    bool is_negated = false;
    std::span<const std::string> values;
    SetNames* sets = nullptr;

    [[nodiscard]] Numbers sign(const Numbers& numbers, Number largest) const {
        return is_negated ? numbers.outside(largest) : numbers;
    }
    [[nodiscard]] Numbers sign(const Numbers& numbers, Axis axis) const {
        return sign(numbers, largest_of(axis));
    }
};

std::vector<std::string_view> split(std::string_view list) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t comma = std::min(list.find(','), list.size());
        parts.push_back(list.substr(0, comma));
        if (comma == list.size()) {
            return parts;
        }
        list.remove_prefix(comma + 1);
    }
}

// Decimal, or hexadecimal behind 0x.
std::optional<unsigned> number(std::string_view text, unsigned limit) {
    if (text.substr(0, 2) != "0x") {
        return parse_number(text, limit);
    }
    unsigned value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 2, end, value, 16);
    return error == std::errc() && stop == end && value <= limit ? std::optional(value) : std::nullopt;
}

tl::unexpected<Error> unread(const Option& option) {
    return fail(fmt::format("`{} {}` is not understood", option.name, fmt::join(option.values, " ")));
}

// "22", "1024:2048", ":1023", "1024:".
Result<Numbers> port_span(std::string_view text) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string_view first = text.substr(0, colon);
    const std::string_view last = colon == text.size() ? first : text.substr(colon + 1);
    const auto from = first.empty() && colon != text.size() ? 0 : parse_port(first);
    const auto to = last.empty() && colon != text.size() ? 65535 : parse_port(last);
    if (!from || !to) {
        return tl::unexpected<Error>(from ? to.error() : from.error());
    }
    return *from <= *to ? Numbers::between(*from, *to) : Numbers();
}

Result<Numbers> port_list(std::string_view list) {
    Numbers ports;
    for (const std::string_view part : split(list)) {
        auto span = port_span(part);
        if (!span) {
            return span;
        }
        ports = ports.either(*span);
    }
    return ports;
}

Result<Condition> read_ports(const Option& option, Axis axis) {
    const auto ports = port_list(option.values[0]);
    if (!ports) {
        return tl::unexpected<Error>(ports.error());
    }
    return Condition{of_ports(axis, option.sign(*ports, axis))};
}

Result<Condition> source_ports(const Option& option) {
    return read_ports(option, Axis::kSourcePort);
}

Result<Condition> destination_ports(const Option& option) {
    return read_ports(option, Axis::kSelector);
}

// Of multiport: one of the two; negated, neither.
Result<Condition> either_port(const Option& option) {
    const auto source = source_ports(option);
    const auto destination = destination_ports(option);
    if (!source || !destination) {
        return source ? destination : source;
    }
    return option.is_negated ? both(*source, *destination) : Condition{source->front(), destination->front()};
}

Result<Condition> read_addresses(const Option& option, Axis side) {
    Numbers addresses;
    for (const std::string_view part : split(option.values[0])) {
        const auto block = parse_block(part);
        if (!block || block->family != option.family) {
            return block ? fail(fmt::format("`{}` is of the other IP version", part))
                         : tl::unexpected<Error>(block.error());
        }
        addresses = addresses.either(block->addresses);
    }
    return Condition{of_address(side, option.family, option.sign(addresses, largest_address(option.family)))};
}

Result<Condition> source(const Option& option) {
    return read_addresses(option, Axis::kSource);
}

Result<Condition> destination(const Option& option) {
    return read_addresses(option, Axis::kDestination);
}

// "192.0.2.5-192.0.2.9"
Result<Condition> read_range(const Option& option, Axis side) {
    const std::string_view text = option.values[0];
    const std::size_t dash = std::min(text.find('-'), text.size());
    const auto span = parse_span(text.substr(0, dash), dash == text.size() ? text : text.substr(dash + 1));
    if (!span || span->family != option.family) {
        return unread(option);
    }
    return Condition{
        of_address(side, option.family, option.sign(span->addresses, largest_address(option.family)))};
}

Result<Condition> source_range(const Option& option) {
    return read_range(option, Axis::kSource);
}

Result<Condition> destination_range(const Option& option) {
    return read_range(option, Axis::kDestination);
}

Result<Condition> protocol(const Option& option) {
    if (option.values[0] == "all" || option.values[0] == "0") {
        return always();
    }
    const auto number_of_it = parse_protocol(option.values[0]);
    if (!number_of_it) {
        return tl::unexpected<Error>(number_of_it.error());
    }
    return Condition{of_protocols(option.sign(Numbers::one(*number_of_it), Axis::kProtocol))};
}

// "eth0", "eth+"
Result<Condition> interface(const Option& option) {
    std::string name = option.values[0];
    if (name.find_first_of("*?") != std::string::npos) {
        return fail(fmt::format("`{}` has a letter that is a wildcard in policies", name));
    }
    if (name.back() == '+') {
        name.back() = '*';
    }
    const Status valid = policy::check_interface(name);
    if (!valid) {
        return tl::unexpected<Error>(valid.error());
    }
    const bool comes_in = option.name == "-i" || option.name == "--in-interface";
    return on_interfaces(comes_in ? policy::Direction::kIn : policy::Direction::kOut, {name},
                         option.is_negated);
}

Result<Condition> fragment(const Option& option) {
    const Numbers later = Numbers::one(static_cast<Number>(policy::FragmentKind::kLater));
    return Condition{of_ip_number(Axis::kFragment, option.sign(later, Axis::kFragment))};
}

constexpr std::array<std::string_view, 6> kFlags = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"};

// "SYN,ACK", "ALL", "NONE"
std::optional<std::uint8_t> flag_bits(std::string_view list) {
    if (list == "ALL" || list == "NONE") {
        return static_cast<std::uint8_t>(list == "ALL" ? (1U << kFlags.size()) - 1 : 0);
    }
    unsigned bits = 0;
    for (const std::string_view name : split(list)) {
        const auto* flag = std::find(kFlags.begin(), kFlags.end(), name);
        if (flag == kFlags.end()) {
            return std::nullopt;
        }
        bits |= 1U << (flag - kFlags.begin());
    }
    return static_cast<std::uint8_t>(bits);
}

Result<Condition> tcp_flags(const Option& option) {
    const auto mask = flag_bits(option.values[0]);
    const auto value = flag_bits(option.values[1]);
    if (!mask || !value) {
        return unread(option);
    }
    return Condition{of_tcp_flags(option.sign(masked_byte(*mask, *value), Axis::kTcpFlags))};
}

Result<Condition> syn(const Option& option) {
    const std::array<std::string, 2> values = {"FIN,SYN,RST,ACK", "SYN"};
    return tcp_flags({option.family, option.name, option.is_negated, values, nullptr});
}

Result<Condition> icmp_type(const Option& option) {
    constexpr Number kSelectors = 65535;
    Numbers types = Numbers::between(0, kSelectors);
    if (option.values[0] != "any" && option.values[0] != "255") {
        const auto range = policy::parse_icmp(option.family, lower_case(option.values[0]));
        if (!range) {
            return unread(option);
        }
        types = Numbers::between(range->first, range->last);
    }
    return Condition{of_icmp(option.family, option.sign(types, Axis::kSelector))};
}

Result<Condition> length(const Option& option) {
    const auto span = port_span(option.values[0]);
    if (!span) {
        return unread(option);
    }
    return Condition{of_ip_number(Axis::kLength, option.sign(*span, Axis::kLength))};
}

// --ttl-eq, --ttl-lt, --ttl-gt and the same of hl.
Result<Condition> ttl(const Option& option) {
    const auto value = number(option.values[0], 255);
    if (!value) {
        return unread(option);
    }
    const std::string_view ending = option.name.substr(option.name.size() - 2);
    Numbers values = Numbers::one(*value);
    if (ending == "lt") {
        values = Numbers::between(*value, 255).outside(255);
    } else if (ending == "gt") {
        values = Numbers::between(0, *value).outside(255);
    }
    return Condition{of_ip_number(Axis::kTtl, option.sign(values, Axis::kTtl))};
}

Result<Condition> dscp(const Option& option) {
    auto value = number(option.values[0], 63);
    if (!value && lower_case(option.values[0]) == "be") {
        value = 0;
    }
    if (!value) {
        const auto named = policy::parse_field(policy::Field::kDscp, option.values[0]);
        if (!named || named->first != named->last) {
            return unread(option);
        }
        value = static_cast<unsigned>(named->first);
    }
    return Condition{of_ip_number(Axis::kDscp, option.sign(Numbers::one(*value), Axis::kDscp))};
}

Result<Condition> mac(const Option& option) {
    const auto address = policy::parse_field(policy::Field::kMac, option.values[0]);
    if (!address) {
        return unread(option);
    }
    return Condition{from_mac(option.sign(Numbers::between(address->first, address->last), Axis::kMac))};
}

Result<Condition> match_set(const Option& option) {
    const std::string& side = option.values[1];
    if (side != "src" && side != "dst") {
        return fail(fmt::format("the set is asked for `{}`; sets here have addresses alone", side));
    }
    const auto name = option.sets->take(option.values[0]);
    if (!name) {
        return tl::unexpected<Error>(name.error());
    }
    return Condition{in_set(side == "src" ? Axis::kSource : Axis::kDestination, *name, !option.is_negated)};
}

// "RELATED,ESTABLISHED"
Result<Condition> states(const Option& option) {
    Numbers wanted;
    for (const std::string_view part : split(option.values[0])) {
        if (part == "SNAT" || part == "DNAT") {
            return fail(
                fmt::format("`{}` asks for translated addresses, which fwctl knows nothing of", part));
        }
        const auto state = policy::parse_field(policy::Field::kState, part);
        if (!state) {
            return unread(option);
        }
        wanted = wanted.either(Numbers::between(state->first, state->last));
    }
    return Condition{of_ip_number(Axis::kState, option.sign(wanted, Axis::kState))};
}

struct Row {
    std::string_view name;
    std::size_t values;
    Result<Condition> (*read)(const Option& option);
};

constexpr std::array kRows = {
    Row{"-s", 1, source},
    Row{"--source", 1, source},
    Row{"--src", 1, source},
    Row{"-d", 1, destination},
    Row{"--destination", 1, destination},
    Row{"--dst", 1, destination},
    Row{"-p", 1, protocol},
    Row{"--protocol", 1, protocol},
    Row{"--proto", 1, protocol},
    Row{"-i", 1, interface},
    Row{"--in-interface", 1, interface},
    Row{"-o", 1, interface},
    Row{"--out-interface", 1, interface},
    Row{"-f", 0, fragment},
    Row{"--fragment", 0, fragment},
    Row{"--sport", 1, source_ports},
    Row{"--source-port", 1, source_ports},
    Row{"--sports", 1, source_ports},
    Row{"--source-ports", 1, source_ports},
    Row{"--dport", 1, destination_ports},
    Row{"--destination-port", 1, destination_ports},
    Row{"--dports", 1, destination_ports},
    Row{"--destination-ports", 1, destination_ports},
    Row{"--ports", 1, either_port},
    Row{"--tcp-flags", 2, tcp_flags},
    Row{"--syn", 0, syn},
    Row{"--icmp-type", 1, icmp_type},
    Row{"--icmpv6-type", 1, icmp_type},
    Row{"--src-range", 1, source_range},
    Row{"--dst-range", 1, destination_range},
    Row{"--length", 1, length},
    Row{"--ttl", 1, ttl},
    Row{"--ttl-eq", 1, ttl},
    Row{"--ttl-lt", 1, ttl},
    Row{"--ttl-gt", 1, ttl},
    Row{"--hl-eq", 1, ttl},
    Row{"--hl-lt", 1, ttl},
    Row{"--hl-gt", 1, ttl},
    Row{"--dscp", 1, dscp},
    Row{"--dscp-class", 1, dscp},
    Row{"--mac-source", 1, mac},
    Row{"--ctstate", 1, states},
    Row{"--state", 1, states},
    Row{"--match-set", 2, match_set},
};

}  // namespace

IptablesMatch::IptablesMatch(Family family, SetNames& sets)
    : family_(family), sets_(sets), condition_{of_family(family)} {}

Result<std::size_t> IptablesMatch::read(const std::vector<std::string>& words, std::size_t index) {
    const bool is_negated = words[index] == "!";
    const std::size_t at = index + (is_negated ? 1 : 0);
    const std::string name = at < words.size() ? words[at] : "";
    const auto* row =
        std::find_if(kRows.begin(), kRows.end(), [&](const Row& known) { return known.name == name; });
    if (row == kRows.end()) {
        return fail(fmt::format("{}the option `{}` has no counterpart",
                                name.rfind("--ct", 0) == 0 ? "of a flow its state alone is known: " : "",
                                name));
    }
    if (at + row->values >= words.size() + (row->values == 0 ? 1 : 0)) {
        return fail(fmt::format("nothing stands behind `{}`", name));
    }
    const auto values = std::span(words).subspan(at + 1, row->values);
    if (std::any_of(values.begin(), values.end(), [](const std::string& value) { return value.empty(); })) {
        return fail(fmt::format("nothing stands behind `{}`", name));
    }
    const auto read = row->read({family_, row->name, is_negated, values, &sets_});
    if (!read) {
        return tl::unexpected<Error>(read.error());
    }
    condition_ = both(condition_, *read);
    return at + 1 + row->values - index;
}

Result<Condition> IptablesMatch::finish() const {
    for (const Match& match : condition_) {
        const Status ports = check_ports(match);
        if (!ports) {
            return tl::unexpected<Error>(ports.error());
        }
    }
    return condition_;
}

}  // namespace fwctl::importer
