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
    std::string_view name;
    std::int64_t milliseconds;
};

// The largest first, the order in which a duration is written.
constexpr std::array<Unit, 5> kUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::size_t kUnitsOfSeconds = 4;

// Keeps a moment that far ahead within 64 bits of nanoseconds.
constexpr std::int64_t kLongestDays = 36500;

// `examples`: what the error says to write.
Result<std::chrono::milliseconds> parse_in_units(std::string_view text, std::span<const Unit> units,
                                                 std::string_view examples) {
    const auto refuse = [&] {
        return fail(fmt::format("\"{}\" is not a duration; write {}", text, examples), Exit::kUsage);
    };
    const auto refuse_length = [text] {
        return fail(fmt::format("\"{}\" is too long; the longest duration is {}d", text, kLongestDays),
                    Exit::kUsage);
    };
    constexpr std::int64_t kLongest = kLongestDays * kUnits[0].milliseconds;
    std::int64_t total = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t digits = rest.find_first_not_of("0123456789");
        if (digits == 0 || digits == std::string_view::npos) {
            return refuse();
        }
        std::int64_t count = 0;
        const bool fits = std::from_chars(rest.data(), rest.data() + digits, count).ec == std::errc();
        rest.remove_prefix(digits);
        const std::string_view name = rest.substr(0, rest.find_first_of("0123456789"));
        const auto unit =
            std::find_if(units.begin(), units.end(), [&](const Unit& known) { return known.name == name; });
        if (unit == units.end()) {
            return refuse();
        }
        if (!fits || count > (kLongest - total) / unit->milliseconds) {
            return refuse_length();
        }
        total += count * unit->milliseconds;
        units = units.subspan(static_cast<std::size_t>(unit - units.begin()) + 1);
        rest.remove_prefix(name.size());
    }
    if (total == 0) {
        return refuse();
    }
    return std::chrono::milliseconds(total);
}

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

std::size_t control_size(std::string_view text) {
    const auto byte = static_cast<unsigned char>(text.empty() ? ' ' : text[0]);
    const auto next = static_cast<unsigned char>(text.size() > 1 ? text[1] : ' ');
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
        return 2;
    }
    return byte < 0x20 || byte == 0x7f ? 1 : 0;
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
    return parse_in_units(text, std::span(kUnits).first(kUnitsOfSeconds), "90s, 10m, 1h, 2d or 1h30m")
        .map([](std::chrono::milliseconds duration) {
            return std::chrono::duration_cast<std::chrono::seconds>(duration);
        });
}

Result<std::chrono::milliseconds> parse_short_duration(std::string_view text) {
    return parse_in_units(text, kUnits, "500ms, 2s or 1m30s");
}

std::string format_duration(std::chrono::milliseconds duration) {
    std::string out;
    std::int64_t rest = duration.count();
    for (const Unit& unit : kUnits) {
        if (rest >= unit.milliseconds) {
            out += fmt::format("{}{}", rest / unit.milliseconds, unit.name);
            rest %= unit.milliseconds;
        }
    }
    return out.empty() ? "0s" : out;
}

}  // namespace fwctl
