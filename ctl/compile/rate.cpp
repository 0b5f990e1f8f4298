#include "compile/rate.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>

#include "compile/name_hash.h"
#include "policy/rate.h"

namespace fwctl::compile {
namespace {

using policy::RatePer;

constexpr unsigned kLargestShift = 32;

// Ticks of a period, at most 2^48.
std::uint64_t ticks_of(std::chrono::seconds period) {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(period).count()) * FW_TICKS_PER_NANOSECOND;
}

// floor(dividend * 2^shift / divisor), digit by digit: the product may be longer than 64 bits.
std::uint64_t divide(std::uint64_t dividend, unsigned shift, std::uint64_t divisor) {
    std::uint64_t quotient = dividend / divisor;
    std::uint64_t rest = dividend % divisor;
    for (; shift > 0; --shift) {
        rest *= 2;
        quotient = quotient * 2 + (rest >= divisor ? 1 : 0);
        rest -= rest >= divisor ? divisor : 0;
    }
    return quotient;
}

// So many digits behind the point that burst * cost stays below 2^63.
unsigned shift_of(std::uint64_t burst, std::uint64_t whole_cost) {
    const auto used = static_cast<unsigned>(std::bit_width(burst) + std::bit_width(whole_cost + 1));
    return used >= 63 ? 0 : std::min(kLargestShift, 63 - used);
}

std::uint8_t per_of(RatePer per) {
    switch (per) {
        case RatePer::kRule:
            return FW_PER_RULE;
        case RatePer::kSource:
            return FW_PER_SOURCE;
        case RatePer::kDestination:
            return FW_PER_DESTINATION;
        case RatePer::kService:
            return FW_PER_SERVICE;
        case RatePer::kFlow:
            break;
    }
    return FW_PER_FLOW;
}

}  // namespace

fw_rate rate_of(const policy::Rule& rule, std::uint32_t counter) {
    const policy::Rate& said = *rule.rate;
    const std::uint64_t ticks = ticks_of(policy::period_of(said));
    fw_rate rate{};
    rate.shift = static_cast<std::uint8_t>(shift_of(said.burst, ticks / said.count));
    rate.cost = divide(ticks, rate.shift, said.count);
    rate.burst = said.burst;
    rate.capacity = said.burst * rate.cost >> rate.shift;
    rate.identity = name_hash(rule.name + '\n' + policy::format_rate(said));
    rate.rule = counter;
    rate.flags =
        static_cast<std::uint8_t>((said.over ? 0 : FW_RATE_UNDER) | (said.bytes ? FW_RATE_BYTES : 0));
    rate.per = per_of(said.per);
    rate.bits4 = said.ipv4_bits;
    rate.bits6 = said.ipv6_bits;
    return rate;
}

std::uint32_t bucket_page(std::uint32_t counter) {
    return counter / FW_BUCKET_PAGE_LINES;
}

}  // namespace fwctl::compile
