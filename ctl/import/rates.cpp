#include "import/rates.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/rate.h"

namespace fwctl::importer {

namespace {

using policy::Rate;
using policy::RatePeriod;

constexpr unsigned kMost = 1'000'000'000;
constexpr std::uint64_t kHoursOfDay = 24;

bool begins(std::string_view whole, std::string_view word) {
    return !word.empty() && whole.substr(0, word.size()) == word;
}

}  // namespace

Result<Rate> packet_rate(bool over, std::uint64_t count, std::string_view time, std::uint64_t burst) {
    Rate rate;
    rate.over = over;
    rate.count = count;
    rate.burst = burst;
    if (begins("second", time)) {
        rate.period = RatePeriod::kSecond;
    } else if (begins("minute", time)) {
        rate.period = RatePeriod::kMinute;
    } else if (begins("hour", time)) {
        rate.period = RatePeriod::kHour;
    } else if (begins("day", time) && count % kHoursOfDay == 0) {
        rate.period = RatePeriod::kHour;
        rate.count = count / kHoursOfDay;
    } else {
        return fail(fmt::format("a rate of {}/{} cannot be said", count, time), Exit::kUsage);
    }
    // What the language does not take, a burst that lasts too long among it.
    return policy::parse_rate(
        fmt::format("{} burst {}",
                    policy::format_rate(
                        Rate{.over = over, .count = rate.count, .period = rate.period, .burst = rate.count}),
                    burst));
}

Result<Rate> iptables_rate(std::string_view limit, std::string_view burst) {
    const std::size_t slash = std::min(limit.find('/'), limit.size());
    const auto count = parse_number(limit.substr(0, slash), kMost);
    const auto most = parse_number(burst, kMost);
    if (!count || !most || *count == 0 || *most == 0) {
        return fail(fmt::format("the rate `{}` is not understood", limit), Exit::kUsage);
    }
    // Without a time it is of a second.
    return packet_rate(false, *count, slash == limit.size() ? "second" : limit.substr(slash + 1), *most);
}

}  // namespace fwctl::importer
