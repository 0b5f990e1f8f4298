#include "policy/field.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace fwctl::policy {

namespace {

constexpr std::array kFieldTable = {
    FieldInfo{Field::kSourcePort, "sport", "22, 1024-65535",
              "Source port of TCP, UDP or SCTP; a later fragment has none.", 65535},
    FieldInfo{Field::kTcpFlags, "flags", "syn, !ack, syn+ack, syn+!ack, none",
              "TCP flags: each one named is set, or with ! not set; none: no flag is set.", 255},
    FieldInfo{Field::kFragment, "fragment", "no, atomic, first, later, any",
              "Part of an IP datagram; any: first or later, no: whole or atomic (RFC 6946).", 3},
    FieldInfo{Field::kLength, "length", "64, 0-63",
              "Bytes of the packet from its network header on; more than 65535 count as 65535.", 65535},
    FieldInfo{Field::kTtl, "ttl", "64, 0-63", "Time to live of IPv4, hop limit of IPv6.", 255},
    FieldInfo{Field::kDscp, "dscp", "46, ef, af11, cs3, 0-7", "Differentiated services code point.", 63},
    FieldInfo{Field::kVlan, "vlan", "10, 100-200, none", "Id of the outermost VLAN tag; none: no tag.",
              kNoVlan},
    FieldInfo{Field::kMac, "mac", "52:54:00:12:34:56, 52:54:00:00:00:00/24", "Source address of the frame.",
              0xffffffffffff},
    FieldInfo{Field::kEthertype, "ethertype", "arp, ip, ip6, lldp, 0x88cc, 35020",
              "Ethertype behind all VLAN tags.", 65535},
    FieldInfo{Field::kState, "state", "new, established, related, invalid, untracked",
              "What the packet is to its flow.", 4},
};
static_assert(kFieldTable.size() == kFields);

struct Name {
    std::string_view name;
    std::uint64_t first;
    std::uint64_t last;
};

constexpr Name one(std::string_view name, std::uint64_t value) {
    return {name, value, value};
}

// RFC 9293 section 3.1, by bit of byte 13.
constexpr std::array<std::string_view, 8> kFlags = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};
constexpr std::uint64_t kAllFlags = 0xff;

constexpr std::array kFragments = {Name{"no", 0, 1}, one("atomic", 1), one("first", 2), one("later", 3),
                                   Name{"any", 2, 3}};

constexpr std::array kStates = {one("untracked", 0), one("new", 1), one("established", 2), one("related", 3),
                                one("invalid", 4)};

// RFC 2474, 2597, 3246, 5865, 8622.
constexpr std::array kDscps = {
    one("cs0", 0),   one("le", 1),    one("cs1", 8),   one("af11", 10), one("af12", 12), one("af13", 14),
    one("cs2", 16),  one("af21", 18), one("af22", 20), one("af23", 22), one("cs3", 24),  one("af31", 26),
    one("af32", 28), one("af33", 30), one("cs4", 32),  one("af41", 34), one("af42", 36), one("af43", 38),
    one("cs5", 40),  one("va", 44),   one("ef", 46),   one("cs6", 48),  one("cs7", 56)};

constexpr std::array kVlans = {one("none", kNoVlan)};

// IANA "IEEE 802 Numbers".
constexpr std::array kEthertypes = {one("ip", 0x0800),
                                    one("arp", 0x0806),
                                    one("rarp", 0x8035),
                                    one("ip6", 0x86dd),
                                    one("slow", 0x8809),
                                    one("mpls", 0x8847),
                                    one("pppoe-discovery", 0x8863),
                                    one("pppoe", 0x8864),
                                    one("lldp", 0x88cc),
                                    one("eapol", 0x888e),
                                    one("macsec", 0x88e5),
                                    one("ptp", 0x88f7)};

std::span<const Name> names_of(Field field) {
    switch (field) {
        case Field::kFragment:
            return kFragments;
        case Field::kDscp:
            return kDscps;
        case Field::kVlan:
            return kVlans;
        case Field::kEthertype:
            return kEthertypes;
        case Field::kState:
            return kStates;
        default:
            return {};
    }
}

// The largest number that can be written as such.
std::uint64_t largest_number(Field field) {
    return field == Field::kVlan ? kNoVlan - 1 : info_of(field).largest;
}

tl::unexpected<Error> refuse_value(Field field, std::string_view word,
                                   std::span<const std::string_view> near) {
    const FieldInfo& info = info_of(field);
    const auto meant = nearest(word, near);
    return refuse(
        meant ? fmt::format("\"{}\" is not a value of {}; did you mean \"{}\"?", word, info.key, *meant)
              : fmt::format("\"{}\" is not a value of {}, which takes {}", word, info.key, info.accepts));
}

tl::unexpected<Error> refuse_value(Field field, std::string_view word) {
    std::vector<std::string_view> near;
    for (const Name& name : names_of(field)) {
        near.push_back(name.name);
    }
    return refuse_value(field, word, near);
}

std::optional<std::uint64_t> parse_digits(std::string_view digits, int base) {
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value, base);
    return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

// Decimal; ethertypes in hexadecimal too, as they are usually written.
std::optional<std::uint64_t> parse_value(Field field, std::string_view text) {
    if (field == Field::kEthertype && text.substr(0, 2) == "0x") {
        return parse_digits(text.substr(2), 16);
    }
    return is_digits(text) ? parse_digits(text, 10) : std::nullopt;
}

std::string format_value(Field field, std::uint64_t value) {
    return field == Field::kEthertype ? fmt::format("{:#06x}", value) : std::to_string(value);
}

Result<Interval> parse_numbers(Field field, std::string_view word) {
    for (const Name& name : names_of(field)) {
        if (name.name == word) {
            return Interval{~std::uint64_t{0}, name.first, name.last};
        }
    }
    const std::size_t dash = std::min(word.find('-'), word.size());
    const auto first = parse_value(field, word.substr(0, dash));
    const auto last = dash == word.size() ? first : parse_value(field, word.substr(dash + 1));
    if (!first || !last || field == Field::kFragment || field == Field::kState) {
        return refuse_value(field, word);
    }
    if (*first > largest_number(field) || *last > largest_number(field)) {
        return refuse(fmt::format("\"{}\" is not a value of {}, which goes from 0 to {}", word,
                                  info_of(field).key, largest_number(field)));
    }
    if (*first > *last) {
        return refuse(fmt::format("the range \"{}\" runs backwards; did you mean \"{}-{}\"?", word,
                                  format_value(field, *last), format_value(field, *first)));
    }
    return Interval{~std::uint64_t{0}, *first, *last};
}

std::string format_numbers(Field field, const Interval& interval) {
    for (const Name& name : names_of(field)) {
        if (name.first == interval.first && name.last == interval.last) {
            return std::string(name.name);
        }
    }
    std::string out = format_value(field, interval.first);
    return interval.first == interval.last ? out : out + "-" + format_value(field, interval.last);
}

Result<Interval> parse_flags(std::string_view word) {
    Interval interval{0, 0, 0};
    if (word == "none") {
        interval.mask = kAllFlags;
        return interval;
    }
    for (std::string_view rest = word;;) {
        const std::size_t plus = std::min(rest.find('+'), rest.size());
        std::string_view name = rest.substr(0, plus);
        const bool is_set = name.substr(0, 1) != "!";
        name.remove_prefix(is_set ? 0 : 1);
        const auto* flag = std::find(kFlags.begin(), kFlags.end(), name);
        if (flag == kFlags.end()) {
            return refuse_value(Field::kTcpFlags, name, kFlags);
        }
        const std::uint64_t bit = std::uint64_t{1} << (flag - kFlags.begin());
        if ((interval.mask & bit) != 0) {
            return refuse(fmt::format("\"{}\" names {} twice", word, name));
        }
        interval.mask |= bit;
        interval.first |= is_set ? bit : 0;
        if (plus == rest.size()) {
            break;
        }
        rest.remove_prefix(plus + 1);
    }
    interval.last = interval.first;
    return interval;
}

std::string format_flags(const Interval& interval) {
    if (interval.mask == kAllFlags && interval.first == 0) {
        return "none";
    }
    std::string out;
    for (std::size_t i = 0; i < kFlags.size(); ++i) {
        const std::uint64_t bit = std::uint64_t{1} << i;
        if ((interval.mask & bit) != 0) {
            out += fmt::format("{}{}{}", out.empty() ? "" : "+", (interval.first & bit) != 0 ? "" : "!",
                               kFlags[i]);
        }
    }
    return out;
}

constexpr unsigned kMacBits = 48;
constexpr std::uint64_t kMacs = std::uint64_t{1} << kMacBits;

// The addresses behind a prefix of that length.
constexpr std::uint64_t mac_hosts(unsigned length) {
    return (kMacs >> length) - 1;
}

std::optional<std::uint64_t> parse_mac_address(std::string_view text) {
    constexpr std::size_t kLetters = 17;
    std::uint64_t value = 0;
    if (text.size() != kLetters) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < kLetters; i += 3) {
        const auto byte = parse_digits(text.substr(i, 2), 16);
        if (!byte || (i > 0 && text[i - 1] != ':')) {
            return std::nullopt;
        }
        value = value << 8 | *byte;
    }
    return value;
}

std::string format_mac_prefix(std::uint64_t address, unsigned length) {
    std::string out;
    for (unsigned shift = kMacBits; shift > 0; shift -= 8) {
        out += fmt::format("{}{:02x}", out.empty() ? "" : ":", address >> (shift - 8) & 0xff);
    }
    return length == kMacBits ? out : fmt::format("{}/{}", out, length);
}

Result<Interval> parse_mac(std::string_view word) {
    const std::size_t slash = std::min(word.find('/'), word.size());
    const auto address = parse_mac_address(word.substr(0, slash));
    const auto length = slash == word.size() ? kMacBits : parse_number(word.substr(slash + 1), kMacBits);
    if (!address || !length) {
        return refuse_value(Field::kMac, word);
    }
    const std::uint64_t hosts = mac_hosts(*length);
    if ((*address & hosts) != 0) {
        return refuse(fmt::format("{} has bits set behind its length; did you mean {} or {}?", word,
                                  format_mac_prefix(*address & ~hosts, *length), word.substr(0, slash)));
    }
    return Interval{~std::uint64_t{0}, *address, *address | hosts};
}

std::string format_mac(const Interval& interval) {
    unsigned length = kMacBits;
    while (length > 0 && mac_hosts(length) < interval.last - interval.first) {
        --length;
    }
    return format_mac_prefix(interval.first, length);
}

// The largest value up to which `interval` is one word.
std::uint64_t end_of_word(Field field, const Interval& interval) {
    if (field == Field::kVlan && interval.first < kNoVlan) {
        return std::min(interval.last, kNoVlan - 1);
    }
    if (field == Field::kMac) {
        unsigned length = 0;
        while ((interval.first & mac_hosts(length)) != 0 ||
               (interval.first | mac_hosts(length)) > interval.last) {
            ++length;
        }
        return interval.first | mac_hosts(length);
    }
    if (field == Field::kFragment) {
        // Whole ones alone have no word, so that `no` opens every interval that begins with them.
        const bool begins_pair = interval.first % 2 == 0 && interval.first < interval.last;
        return interval.first + (begins_pair ? 1 : 0);
    }
    return field == Field::kState ? interval.first : interval.last;
}

}  // namespace

std::span<const FieldInfo> fields() {
    return kFieldTable;
}

const FieldInfo& info_of(Field field) {
    return kFieldTable[static_cast<std::size_t>(field)];
}

Result<Interval> parse_field(Field field, std::string_view text) {
    const std::string word = lower_case(text);
    switch (field) {
        case Field::kTcpFlags:
            return parse_flags(word);
        case Field::kMac:
            return parse_mac(word);
        default:
            return parse_numbers(field, word);
    }
}

std::string format_field(Field field, const Interval& interval) {
    switch (field) {
        case Field::kTcpFlags:
            return format_flags(interval);
        case Field::kMac:
            return format_mac(interval);
        default:
            return format_numbers(field, interval);
    }
}

std::vector<std::string> format_match(const FieldMatch& match) {
    std::vector<std::string> words;
    for (Interval rest : match.any_of) {
        while (match.field != Field::kTcpFlags && end_of_word(match.field, rest) < rest.last) {
            const std::uint64_t end = end_of_word(match.field, rest);
            words.push_back(format_field(match.field, {rest.mask, rest.first, end}));
            rest.first = end + 1;
        }
        words.push_back(format_field(match.field, rest));
    }
    return words;
}

bool covers(const Interval& outer, const Interval& inner) {
    if (outer.mask == inner.mask) {
        return outer.first <= inner.first && inner.last <= outer.last;
    }
    const bool looks_at_less = (outer.mask & inner.mask) == outer.mask;
    return looks_at_less && inner.first == inner.last && outer.contains(inner.first);
}

std::vector<Interval> canonical_intervals(std::vector<Interval> intervals) {
    std::sort(intervals.begin(), intervals.end());
    intervals.erase(std::unique(intervals.begin(), intervals.end()), intervals.end());
    std::vector<Interval> kept;
    for (const Interval& interval : intervals) {
        const bool is_masked = ~interval.mask != 0;
        const bool is_covered =
            is_masked && std::any_of(intervals.begin(), intervals.end(), [&](const Interval& other) {
                return other != interval && covers(other, interval);
            });
        // Without masks, sorted by their beginning: one pass joins them.
        const bool is_joined = !is_masked && !kept.empty() && ~kept.back().mask == 0 &&
                               (interval.first <= kept.back().last || interval.first == kept.back().last + 1);
        if (is_joined) {
            kept.back().last = std::max(kept.back().last, interval.last);
        } else if (!is_covered) {
            kept.push_back(interval);
        }
    }
    return kept;
}

}  // namespace fwctl::policy
