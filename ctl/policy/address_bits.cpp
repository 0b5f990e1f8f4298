#include "policy/address_bits.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"

namespace fwctl::policy {

namespace {

constexpr AddressBits kWhole;
constexpr std::uint8_t kIpv6Site = 64;

// nullopt: no length of an address.
std::optional<std::uint8_t> length_of(std::string_view digits) {
    const auto bits = parse_number(digits, kWhole.ipv6);
    return bits && *bits > 0 ? std::optional(static_cast<std::uint8_t>(*bits)) : std::nullopt;
}

}  // namespace

Result<AddressBits> parse_address_bits(std::string_view word) {
    const std::size_t slash = std::min(word.find('/'), word.size());
    if (slash == word.size()) {
        return kWhole;
    }
    const std::string_view lengths = word.substr(slash + 1);
    const std::size_t comma = std::min(lengths.find(','), lengths.size());
    const auto first = length_of(lengths.substr(0, comma));
    const auto second =
        comma == lengths.size() ? std::optional(kIpv6Site) : length_of(lengths.substr(comma + 1));
    const bool is_alone_of_ipv6 = comma == lengths.size() && first && *first > kWhole.ipv4;
    if (is_alone_of_ipv6) {
        return AddressBits{kWhole.ipv4, *first};
    }
    if (!first || !second || *first > kWhole.ipv4) {
        return fail(fmt::format("\"{0}\" has no length of addresses: write {1}/24 for IPv4, {1}/64 for "
                                "IPv6, {1}/24,64 for both",
                                word, word.substr(0, slash)),
                    Exit::kUsage);
    }
    return AddressBits{*first, *second};
}

std::string format_address_bits(const AddressBits& bits) {
    if (bits.ipv4 == kWhole.ipv4) {
        return bits.ipv6 == kWhole.ipv6  ? ""
               : bits.ipv6 > kWhole.ipv4 ? fmt::format("/{}", bits.ipv6)
                                         : fmt::format("/{},{}", bits.ipv4, bits.ipv6);
    }
    return bits.ipv6 == kIpv6Site ? fmt::format("/{}", bits.ipv4)
                                  : fmt::format("/{},{}", bits.ipv4, bits.ipv6);
}

}  // namespace fwctl::policy
