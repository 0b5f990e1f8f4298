// Address blocks: read, written, compared.
//
// Promises: parse_prefix(format_prefix(p)) == p for every Prefix that parse_prefix can give. A prefix with
// bits set behind its length is refused: the writer meant either the block or the address. IPv4-mapped IPv6
// addresses (::ffff:192.0.2.1, RFC 4291 section 2.5.5.2) are refused: on the wire such traffic is IPv4.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// 32 or 128.
std::uint8_t address_bits(Family family);

// "192.0.2.1", "192.0.2.0/24", "2001:db8::/32".
Result<Prefix> parse_prefix(std::string_view text);

// As published lists have it: bits behind the length are allowed and stay, for cut() to take off.
Result<Prefix> parse_uncut_prefix(std::string_view text);

// As parse_prefix() reads it; a single address stands without its length.
std::string format_prefix(const Prefix& prefix);

// The first `length` bits of the address.
Prefix cut(Prefix prefix, std::uint8_t length);

// Whether the address of that family (IPv4 in the first four bytes) lies in the block.
bool contains(const Prefix& prefix, Family family, const std::array<std::uint8_t, 16>& address);

// Whether every address of `inner` lies in `outer`.
bool covers(const Prefix& outer, const Prefix& inner);

}  // namespace fwctl::policy
