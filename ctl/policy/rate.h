// The key `rate` of a rule: "over 5/minute burst 10 per source".
//
// Promises: parse_rate(format_rate(rate)) == rate for every rate that parse_rate can give. Errors are one
// line, with Exit::kUsage, and say what is accepted.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// The longest time in which a bucket may fill, so that its state tells what is left from what is long over.
inline constexpr std::chrono::hours kLongestRefill{24 * 7};
inline constexpr std::uint64_t kMostTokens = 1'000'000'000'000;        // of a rate, and of a burst
inline constexpr std::uint64_t kMostPacketsPerSecond = 1'000'000'000;  // beyond, the cost of one is no time
inline constexpr std::uint64_t kLeastByteBurst = 65'536;               // unless it is written

//     over|under N/second|minute|hour [burst B] [packets|bytes]
//         [per source|source/24|source/64|source/24,64|destination…|service|flow]
//
// What stands behind N/second may stand in any order. Without a burst it is N, and 65,536 bytes at least. A
// length up to 32 is one of IPv4 addresses, of which IPv6 ones have 64; a longer one is of IPv6 alone.
Result<Rate> parse_rate(std::string_view text);
std::string format_rate(const Rate& rate);

// The burst of a rate that says none.
std::uint64_t default_burst(const Rate& rate);

std::chrono::seconds period_of(const Rate& rate);

// Whether a word begins a rate on the command line, rightly or not: 10/second, 10/day.
bool begins_rate(std::string_view word);

}  // namespace fwctl::policy
