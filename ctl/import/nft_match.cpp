#include "import/nft_match.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "import/conditions.h"
#include "import/nft_addresses.h"
#include "import/nft_names.h"
#include "import/nft_numbers.h"
#include "import/nft_states.h"
#include "policy/icmp.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::importer {

namespace {

using policy::Direction;
using policy::Family;

// Turns numbers into what a packet must be; nothing is asked of them before.
template <typename Make>
Result<Condition> with_numbers(const NftQuestion& question, NftType type, Number largest, Make make) {
    const auto numbers = nft_numbers(question, type, largest);
    return numbers ? Result<Condition>(Condition{make(*numbers)}) : tl::unexpected<Error>(numbers.error());
}

Result<Condition> read_address(const NftQuestion& question, Axis side, Family family) {
    const Json& right = question.right();
    const std::string word = right.is_string() ? right.get<std::string>() : "";
    if (word.substr(0, 1) == "@") {
        const NftSet* set = question.sets.find(question.table.family, question.table.name, word.substr(1));
        if (set == nullptr || set->policy_name.empty() || (question.op != "==" && question.op != "!=")) {
            return fail(fmt::format("the set {} has no counterpart", word.substr(1)));
        }
        return both(Condition{of_family(family)},
                    Condition{in_set(side, set->policy_name, question.op == "==")});
    }
    const auto values = nft_values(question);
    if (!values) {
        return tl::unexpected<Error>(values.error());
    }
    Numbers addresses;
    for (const Json& value : *values) {
        const auto block = nft_block(value, family);
        if (!block) {
            return tl::unexpected<Error>(block.error());
        }
        addresses = addresses.either(*block);
    }
    return nft_compare(question.op, addresses, largest_address(family)).map([&](const Numbers& numbers) {
        return Condition{of_address(side, family, numbers)};
    });
}

Result<Condition> read_interface(const NftQuestion& question, Direction direction) {
    const auto values = nft_values(question);
    if (!values) {
        return tl::unexpected<Error>(values.error());
    }
    std::vector<std::string> names;
    for (const Json& value : *values) {
        const std::string name = word_of(value).value_or("");
        const bool is_wild = !name.empty() && name.back() == '*';
        const std::string_view stem = std::string_view(name).substr(0, name.size() - (is_wild ? 1 : 0));
        if (stem.find_first_of("*?\\") != std::string::npos) {
            return fail(fmt::format("`{}` has a letter that is a wildcard in policies", name));
        }
        const Status valid = policy::check_interface(name);
        if (!valid) {
            return tl::unexpected<Error>(valid.error());
        }
        names.push_back(name);
    }
    if (question.op != "==" && question.op != "!=") {
        return fail(fmt::format("the comparison `{}` is not understood", question.op));
    }
    return on_interfaces(direction, names, question.op == "!=");
}

Result<Condition> read_flags(const NftQuestion& question, const Json* mask) {
    const auto values = nft_values(question);
    const auto masked =
        mask == nullptr ? std::optional<std::uint8_t>(255) : nft_bits(NftType::kTcpFlags, *mask);
    if (!values || !masked) {
        return values ? fail("the mask is not understood") : tl::unexpected<Error>(values.error());
    }
    Numbers flags;
    for (const Json& value : *values) {
        const auto bits = nft_bits(NftType::kTcpFlags, value);
        if (!bits) {
            return fail(fmt::format("`{}` is not understood", dump(value)));
        }
        const bool is_any = question.op == "in" || question.op == "!";
        const Numbers one = is_any ? masked_byte(*bits, 0).outside(255) : masked_byte(*masked, *bits);
        flags = flags.either(one);
    }
    const bool is_negated = question.op == "!=" || question.op == "!";
    return Condition{of_tcp_flags(is_negated ? flags.outside(255) : flags)};
}

// `ip frag-off & 0x1fff != 0` is for later fragments, with 0x3fff for all of them.
Result<Condition> read_fragment_offset(const NftQuestion& question, const Json* mask) {
    const auto masked = mask == nullptr ? std::nullopt : word_of(*mask);
    const auto bits = masked ? nft_value(NftType::kNumber, *masked) : fail("");
    const auto right = word_of(question.right());
    const bool is_zero = right && nft_value(NftType::kNumber, *right).value_or(1) == 0;
    const bool is_known = bits && (*bits == 0x1fff || *bits == 0x3fff);
    if (!is_known || !is_zero || (question.op != "==" && question.op != "!=")) {
        return fail("of `ip frag-off` only `& 0x1fff` and `& 0x3fff`, compared with 0, have a counterpart");
    }
    const auto first =
        static_cast<Number>(*bits == 0x1fff ? policy::FragmentKind::kLater : policy::FragmentKind::kFirst);
    const Numbers fragments = Numbers::between(first, static_cast<Number>(policy::FragmentKind::kLater));
    const Numbers kinds = question.op == "!=" ? fragments : fragments.outside(largest_of(Axis::kFragment));
    return both(Condition{of_family(Family::kIpv4)}, Condition{of_ip_number(Axis::kFragment, kinds)});
}

Result<Condition> read_fragment_header(const NftQuestion& question) {
    const bool exists = question.right() == true && question.op == "==";
    const Numbers whole = Numbers::one(static_cast<Number>(policy::FragmentKind::kNone));
    const Numbers kinds = exists ? whole.outside(largest_of(Axis::kFragment)) : whole;
    return both(Condition{of_family(Family::kIpv6)}, Condition{of_ip_number(Axis::kFragment, kinds)});
}

constexpr std::uint16_t kEthertypeVlan = 0x8100;

// The type in the Ethernet header, which is that of a tag when there is one.
Result<Condition> read_link_type(const NftQuestion& question) {
    if (question.table.family != "netdev") {
        return fail("a link header is read in tables of the family netdev alone");
    }
    const NftQuestion equal{question.match, question.table, question.sets, "=="};
    const auto types = nft_numbers(equal, NftType::kEthertype, largest_of(Axis::kEthertype));
    if (!types || (question.op != "==" && question.op != "!=")) {
        return types ? fail("the comparison is not understood") : tl::unexpected<Error>(types.error());
    }
    Match untagged;
    untagged[Axis::kVlan] = Numbers::one(policy::kNoVlan);
    untagged[Axis::kEthertype] = *types;
    Condition condition = {untagged};
    if (types->contains(kEthertypeVlan)) {
        Match tagged;
        tagged[Axis::kVlan] = Numbers::between(0, policy::kNoVlan - 1);
        condition.push_back(tagged);
    }
    return question.op == "==" ? Result<Condition>(condition) : but_not(always(), condition);
}

Result<Condition> read_vlan(const NftQuestion& question) {
    if (question.table.family != "netdev") {
        return fail("a link header is read in tables of the family netdev alone");
    }
    return with_numbers(question, NftType::kNumber, policy::kNoVlan - 1, [](const Numbers& ids) {
        Match match;
        match[Axis::kVlan] = ids;
        return match;
    });
}

Result<Condition> read_mac(const NftQuestion& question) {
    const bool is_link = question.table.family == "netdev";
    return with_numbers(question, NftType::kMac, largest_of(Axis::kMac), [&](const Numbers& addresses) {
        Match match = from_mac(addresses);
        if (is_link) {
            match[Axis::kDirection] = Match()[Axis::kDirection];
        }
        return match;
    });
}

Result<Condition> read_icmp(const NftQuestion& question, Family family, bool is_code) {
    const bool is_ip = family == Family::kIpv4;
    const NftType type = is_code ? (is_ip ? NftType::kIcmpCode : NftType::kIcmp6Code)
                                 : (is_ip ? NftType::kIcmpType : NftType::kIcmp6Type);
    return with_numbers(question, type, 255, [&](const Numbers& bytes) {
        std::vector<Span> selectors;
        for (const Span& span : bytes.spans()) {
            if (!is_code) {
                selectors.push_back({span.first * 256, span.last * 256 + 255});
            }
            for (Number kind = 0; is_code && kind < 256; ++kind) {
                selectors.push_back({kind * 256 + span.first, kind * 256 + span.last});
            }
        }
        return of_icmp(family, Numbers(std::move(selectors)));
    });
}

// The length field of IPv6 counts from behind the header.
Result<Condition> read_ip6_length(const NftQuestion& question) {
    constexpr Number kHeader = 40;
    return with_numbers(question, NftType::kNumber, 65535, [](const Numbers& lengths) {
        std::vector<Span> spans;
        for (const Span& span : lengths.spans()) {
            spans.push_back({span.first + kHeader, span.last + kHeader});
        }
        const Numbers total = Numbers(std::move(spans)).both(Match()[Axis::kLength]);
        Match match = of_family(Family::kIpv6);
        match[Axis::kLength] = total;
        return match;
    });
}

Result<Condition> read_ip_number(const NftQuestion& question, Axis axis, NftType type, Family family) {
    return with_numbers(question, type, largest_of(axis), [&](const Numbers& values) {
        Match match = of_family(family);
        match[axis] = values;
        return match;
    });
}

Result<Condition> read_port(const NftQuestion& question, const std::string& protocol, Axis side) {
    Condition of_protocol = always();
    if (protocol != "th") {
        const auto number = nft_value(NftType::kProtocol, protocol);
        if (!number) {
            return tl::unexpected<Error>(number.error());
        }
        of_protocol = {of_protocols(Numbers::one(*number))};
    }
    const auto ports = with_numbers(question, NftType::kPort, 65535,
                                    [&](const Numbers& numbers) { return of_ports(side, numbers); });
    return ports ? Result<Condition>(both(of_protocol, *ports)) : ports;
}

Result<Condition> read_protocol(const NftQuestion& question) {
    return with_numbers(question, NftType::kProtocol, 255, of_protocols);
}

Result<Condition> read_ethertype(const NftQuestion& question) {
    return with_numbers(question, NftType::kEthertype, largest_of(Axis::kEthertype),
                        [](const Numbers& types) {
                            Match match;
                            match[Axis::kEthertype] = types;
                            return match;
                        });
}

Result<Condition> read_nfproto(const NftQuestion& question) {
    const auto word = word_of(question.right());
    if (!word || (*word != "ipv4" && *word != "ipv6") || (question.op != "==" && question.op != "!=")) {
        return fail("`meta nfproto` is ipv4 or ipv6");
    }
    const bool is_ip = (*word == "ipv4") == (question.op == "==");
    return Condition{of_family(is_ip ? Family::kIpv4 : Family::kIpv6)};
}

Result<Condition> read_meta_length(const NftQuestion& question) {
    return with_numbers(question, NftType::kNumber, largest_of(Axis::kLength),
                        [](const Numbers& lengths) { return of_ip_number(Axis::kLength, lengths); });
}

struct NftRow {
    std::string_view name;
    Result<Condition> (*read)(const NftQuestion& question);
};

constexpr std::array kNftRows = {
    NftRow{"ip saddr", [](const NftQuestion& q) { return read_address(q, Axis::kSource, Family::kIpv4); }},
    NftRow{"ip daddr",
           [](const NftQuestion& q) { return read_address(q, Axis::kDestination, Family::kIpv4); }},
    NftRow{"ip6 saddr", [](const NftQuestion& q) { return read_address(q, Axis::kSource, Family::kIpv6); }},
    NftRow{"ip6 daddr",
           [](const NftQuestion& q) { return read_address(q, Axis::kDestination, Family::kIpv6); }},
    NftRow{"ip protocol",
           [](const NftQuestion& q) {
               return read_protocol(q).map([](const Condition& protocol) {
                   return both(Condition{of_family(Family::kIpv4)}, protocol);
               });
           }},
    NftRow{"ip6 nexthdr",
           [](const NftQuestion& q) {
               return read_protocol(q).map([](const Condition& protocol) {
                   return both(Condition{of_family(Family::kIpv6)}, protocol);
               });
           }},
    NftRow{
        "ip ttl",
        [](const NftQuestion& q) { return read_ip_number(q, Axis::kTtl, NftType::kNumber, Family::kIpv4); }},
    NftRow{
        "ip6 hoplimit",
        [](const NftQuestion& q) { return read_ip_number(q, Axis::kTtl, NftType::kNumber, Family::kIpv6); }},
    NftRow{
        "ip dscp",
        [](const NftQuestion& q) { return read_ip_number(q, Axis::kDscp, NftType::kDscp, Family::kIpv4); }},
    NftRow{
        "ip6 dscp",
        [](const NftQuestion& q) { return read_ip_number(q, Axis::kDscp, NftType::kDscp, Family::kIpv6); }},
    NftRow{"ip length",
           [](const NftQuestion& q) {
               return read_ip_number(q, Axis::kLength, NftType::kNumber, Family::kIpv4);
           }},
    NftRow{"ip6 length", read_ip6_length},
    NftRow{"icmp type", [](const NftQuestion& q) { return read_icmp(q, Family::kIpv4, false); }},
    NftRow{"icmp code", [](const NftQuestion& q) { return read_icmp(q, Family::kIpv4, true); }},
    NftRow{"icmpv6 type", [](const NftQuestion& q) { return read_icmp(q, Family::kIpv6, false); }},
    NftRow{"icmpv6 code", [](const NftQuestion& q) { return read_icmp(q, Family::kIpv6, true); }},
    NftRow{"ether saddr", read_mac},
    NftRow{"ether type", read_link_type},
    NftRow{"vlan id", read_vlan},
    NftRow{"meta l4proto", read_protocol},
    NftRow{"meta protocol", read_ethertype},
    NftRow{"meta nfproto", read_nfproto},
    NftRow{"meta length", read_meta_length},
    NftRow{"meta iif", [](const NftQuestion& q) { return read_interface(q, Direction::kIn); }},
    NftRow{"meta iifname", [](const NftQuestion& q) { return read_interface(q, Direction::kIn); }},
    NftRow{"meta oif", [](const NftQuestion& q) { return read_interface(q, Direction::kOut); }},
    NftRow{"meta oifname", [](const NftQuestion& q) { return read_interface(q, Direction::kOut); }},
    NftRow{"exthdr frag", read_fragment_header},
};

// "tcp dport" and the like.
std::optional<Axis> port_side(std::string_view field) {
    if (field == "sport" || field == "dport") {
        return field == "sport" ? Axis::kSourcePort : Axis::kSelector;
    }
    return std::nullopt;
}

}  // namespace

std::string nft_name(const Json& expression) {
    if (const Json* payload = member(expression, "payload")) {
        const std::string protocol = text_of(*payload, "protocol");
        return protocol.empty() ? "raw payload" : fmt::format("{} {}", protocol, text_of(*payload, "field"));
    }
    const std::string key = only_key(expression);
    const Json& inner = key.empty() ? expression : expression.at(key);
    if (key == "&" && inner.is_array() && !inner.empty()) {
        return nft_name(inner[0]);
    }
    for (const std::string_view detail : {"key", "name"}) {
        const std::string word = text_of(inner, detail);
        if (!word.empty() && (key == "meta" || key == "ct" || key == "exthdr" || key == "tcp option")) {
            return fmt::format("{} {}", key, word);
        }
    }
    return key.empty() ? "expression" : key;
}

Result<Condition> nft_condition(const Json& match, const NftTable& table, const NftSets& sets) {
    const Json* left = member(match, "left");
    if (left == nullptr || member(match, "right") == nullptr) {
        return fail("the match is not understood");
    }
    const std::string name = nft_name(*left);
    const NftQuestion question{match, table, sets, text_of(match, "op")};
    const Json* masked = member(*left, "&");
    const Json* mask =
        masked != nullptr && masked->is_array() && masked->size() == 2 ? &(*masked)[1] : nullptr;
    if (name == "tcp flags") {
        return read_flags(question, mask);
    }
    if (name == "ct state") {
        return nft_states(question, mask);
    }
    if (name.rfind("ct ", 0) == 0) {
        return fail(fmt::format("of a flow its state alone is known: `{}` has no counterpart", name));
    }
    if (name == "ip frag-off") {
        return read_fragment_offset(question, mask);
    }
    const std::size_t blank = std::min(name.find(' '), name.size());
    const auto side = blank == name.size() || member(*left, "payload") == nullptr
                          ? std::nullopt
                          : port_side(std::string_view(name).substr(blank + 1));
    if (masked == nullptr && side) {
        return read_port(question, name.substr(0, blank), *side);
    }
    const auto* row = std::find_if(kNftRows.begin(), kNftRows.end(),
                                   [&](const NftRow& known) { return known.name == name; });
    if (row == kNftRows.end() || masked != nullptr) {
        return fail(
            fmt::format("`{}`{} has no counterpart", name, masked == nullptr ? "" : " behind a mask"));
    }
    return row->read(question);
}

}  // namespace fwctl::importer
