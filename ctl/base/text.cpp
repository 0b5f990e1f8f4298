#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

namespace fwctl {

namespace {

// The optimal string alignment distance: Damerau-Levenshtein without editing a transposed pair again
// (Boytsov, "Indexing methods for approximate dictionary searching", 2011, section 2.1). O(n·m) time, three
// rows.
std::size_t edit_distance(std::string_view one, std::string_view other) {
    std::vector<std::size_t> before_last(other.size() + 1);
    std::vector<std::size_t> last(other.size() + 1);
    std::vector<std::size_t> row(other.size() + 1);
    for (std::size_t j = 0; j <= other.size(); ++j) {
        last[j] = j;
    }
    for (std::size_t i = 1; i <= one.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= other.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1]) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        before_last.swap(last);
        last.swap(row);
    }
    return last[other.size()];
}

struct Unit {
    char letter;
    std::int64_t seconds;
};

// The largest first, the order in which a duration is written.
constexpr std::array<Unit, 4> kUnits = {{{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};

// Keeps a moment that far ahead within 64 bits of nanoseconds.
constexpr std::int64_t kLongestDays = 36500;

}  // namespace

std::string lower_case(std::string_view word) {
    std::string lower(word);
    for (char& letter : lower) {
        if (letter >= 'A' && letter <= 'Z') {
            letter = static_cast<char>(letter - 'A' + 'a');
        }
    }
    return lower;
}

std::size_t code_points(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
    }));
}

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<std::pair<std::string_view, std::string_view>> split_range(std::string_view text) {
    const std::size_t dash = std::min(text.find('-'), text.size());
    const std::string_view first = text.substr(0, dash);
    const std::string_view last = text.substr(std::min(dash + 1, text.size()));
    if (!is_digits(first) || !is_digits(last)) {
        return std::nullopt;
    }
    return std::pair(first, last);
}

std::optional<unsigned> parse_number(std::string_view digits, unsigned limit) {
    unsigned value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end || value > limit) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates) {
    const std::string wanted = lower_case(word);
    std::size_t bound = std::max<std::size_t>(1, word.size() / 3);
    std::optional<std::string_view> found;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edit_distance(wanted, lower_case(candidate));
        if (distance <= bound && distance < candidate.size() && (!found || distance < bound)) {
            bound = distance;
            found = candidate;
        }
    }
    return found;
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
    const auto refuse = [text] {
        return fail(fmt::format("\"{}\" is not a duration; write 90s, 10m, 1h, 2d or 1h30m", text),
                    Exit::kUsage);
    };
    const auto refuse_length = [text] {
        return fail(fmt::format("\"{}\" is too long; the longest duration is {}d", text, kLongestDays),
                    Exit::kUsage);
    };
    constexpr std::int64_t kLongest = kLongestDays * kUnits[0].seconds;
    std::int64_t total = 0;
    std::size_t next_unit = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t digits = rest.find_first_not_of("0123456789");
        if (digits == 0 || digits == std::string_view::npos) {
            return refuse();
        }
        const auto* unit = std::find_if(kUnits.begin() + next_unit, kUnits.end(),
                                        [&](const Unit& known) { return known.letter == rest[digits]; });
        if (unit == kUnits.end()) {
            return refuse();
        }
        const auto count = parse_number(rest.substr(0, digits), static_cast<unsigned>(kLongest));
        if (!count || *count > (kLongest - total) / unit->seconds) {
            return refuse_length();
        }
        total += *count * unit->seconds;
        next_unit = static_cast<std::size_t>(unit - kUnits.begin()) + 1;
        rest.remove_prefix(digits + 1);
    }
    if (total == 0) {
        return refuse();
    }
    return std::chrono::seconds(total);
}

std::string format_duration(std::chrono::seconds duration) {
    std::string out;
    std::int64_t rest = duration.count();
    for (const Unit& unit : kUnits) {
        if (rest >= unit.seconds) {
            out += fmt::format("{}{}", rest / unit.seconds, unit.letter);
            rest %= unit.seconds;
        }
    }
    return out.empty() ? "0s" : out;
}

}  // namespace fwctl
