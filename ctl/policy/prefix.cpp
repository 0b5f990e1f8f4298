#include "policy/prefix.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"

namespace fwctl::policy {

namespace {

int socket_family(Family family) {
    return family == Family::kIpv4 ? AF_INET : AF_INET6;
}

// The next octet of a dotted address. Leading zeros are refused, since some read them as octal.
std::optional<std::uint8_t> take_octet(std::string_view& rest) {
    unsigned value = 0;
    std::size_t digits = 0;
    for (; digits < rest.size() && digits < 3 && rest[digits] >= '0' && rest[digits] <= '9'; ++digits) {
        value = value * 10 + static_cast<unsigned>(rest[digits] - '0');
    }
    if (digits == 0 || value > 255 || (digits > 1 && rest.front() == '0')) {
        return std::nullopt;
    }
    rest.remove_prefix(digits);
    return static_cast<std::uint8_t>(value);
}

// By hand: published lists have a million of them, and inet_pton() would take most of the time.
std::optional<Prefix> parse_ipv4(std::string_view text) {
    Prefix prefix{Family::kIpv4, 32, {}};
    for (std::size_t i = 0; i < 4; ++i) {
        if (i > 0) {
            if (text.substr(0, 1) != ".") {
                return std::nullopt;
            }
            text.remove_prefix(1);
        }
        const auto octet = take_octet(text);
        if (!octet) {
            return std::nullopt;
        }
        prefix.address[i] = *octet;
    }
    return text.empty() ? std::optional(prefix) : std::nullopt;
}

std::optional<Prefix> parse_ipv6(std::string_view text) {
    Prefix prefix{Family::kIpv6, 128, {}};
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    std::copy(text.begin(), text.end(), terminated.begin());
    const bool is_read = inet_pton(AF_INET6, terminated.data(), prefix.address.data()) == 1;
    return is_read ? std::optional(prefix) : std::nullopt;
}

// The full-length prefix of an address without a length.
std::optional<Prefix> read_address(std::string_view text) {
    return text.find(':') == std::string_view::npos ? parse_ipv4(text) : parse_ipv6(text);
}

constexpr std::uint8_t kMappedBits = 96;  // ::ffff:0:0/96

bool is_mapped(const Prefix& prefix) {
    constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return prefix.family == Family::kIpv6 &&
           std::equal(kMapped.begin(), kMapped.end(), prefix.address.begin());
}

// The IPv4 block that a mapped one stands for.
Prefix unmapped(const Prefix& mapped) {
    Prefix prefix{Family::kIpv4, 0, {}};
    std::copy(mapped.address.begin() + 12, mapped.address.end(), prefix.address.begin());
    return cut(prefix, static_cast<std::uint8_t>(mapped.length - kMappedBits));
}

}  // namespace

std::uint8_t address_bits(Family family) {
    return family == Family::kIpv4 ? 32 : 128;
}

Result<Prefix> parse_uncut_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    std::optional<Prefix> prefix = read_address(text.substr(0, slash));
    if (text == "any")
        return fail("\"any\" is no prefix: leave the key out, or write 0.0.0.0/0 and ::/0", Exit::kUsage);
    if (!prefix) {
        return fail(
            fmt::format(
                "\"{}\" is not an IPv4 or IPv6 address or prefix (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)",
                text),
            Exit::kUsage);
    }
    if (slash != std::string_view::npos) {
        const auto length = parse_number(text.substr(slash + 1), address_bits(prefix->family));
        if (!length) {
            return fail(
                fmt::format("\"{}\": the length of an {} prefix is a number from 0 to {}", text,
                            prefix->family == Family::kIpv4 ? "IPv4" : "IPv6", address_bits(prefix->family)),
                Exit::kUsage);
        }
        prefix->length = static_cast<std::uint8_t>(*length);
    }
    if (is_mapped(*prefix) && prefix->length >= kMappedBits) {
        return fail(fmt::format("{} is an IPv4 address written as IPv6; write {}", text,
                                format_prefix(unmapped(*prefix))),
                    Exit::kUsage);
    }
    return *prefix;
}

Result<Prefix> parse_prefix(std::string_view text) {
    auto prefix = parse_uncut_prefix(text);
    if (!prefix) {
        return prefix;
    }
    const Prefix block = cut(*prefix, prefix->length);
    if (block != *prefix) {
        const Prefix address{prefix->family, address_bits(prefix->family), prefix->address};
        return fail(fmt::format("{} has host bits set; did you mean {} or {}?", text, format_prefix(block),
                                format_prefix(address)),
                    Exit::kUsage);
    }
    return block;
}

std::string format_prefix(const Prefix& prefix) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    inet_ntop(socket_family(prefix.family), prefix.address.data(), buffer.data(), buffer.size());
    if (prefix.length == address_bits(prefix.family)) {
        return buffer.data();
    }
    return fmt::format("{}/{}", buffer.data(), prefix.length);
}

Prefix cut(Prefix prefix, std::uint8_t length) {
    prefix.length = length;
    const std::size_t whole_bytes = length / 8U;
    if (whole_bytes < prefix.address.size()) {
        std::uint8_t& split = prefix.address[whole_bytes];
        split = static_cast<std::uint8_t>(split & (0xff00U >> length % 8U));
        std::fill(prefix.address.begin() + whole_bytes + 1, prefix.address.end(), std::uint8_t{0});
    }
    return prefix;
}

bool contains(const Prefix& prefix, Family family, const std::array<std::uint8_t, 16>& address) {
    return prefix.family == family && cut({family, 0, address}, prefix.length).address == prefix.address;
}

bool covers(const Prefix& outer, const Prefix& inner) {
    return outer.length <= inner.length && contains(outer, inner.family, inner.address);
}

}  // namespace fwctl::policy
