// Words and durations as people type them.
//
// Promises: pure functions; no locale. Does not know which words a caller accepts.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace fwctl {

// ASCII letters in lower case, everything else as it is.
std::string lower_case(std::string_view word);

// The Unicode code points of UTF-8 text, by which columns count.
std::size_t code_points(std::string_view text);

// Bytes of the control character that `text` begins with: one of C0, DEL, or one of C1 in UTF-8; 0: none.
std::size_t control_size(std::string_view text);

// At least one decimal digit and nothing else.
bool is_digits(std::string_view text);

// "10-20": the two runs of digits, whatever their values; nullopt for anything else.
std::optional<std::pair<std::string_view, std::string_view>> split_range(std::string_view text);

// A number of decimal digits alone, at most `limit`; nullopt for anything else (signs, blanks, "0x10", "").
std::optional<unsigned> parse_number(std::string_view digits, unsigned limit);

// The candidate that `word` was probably meant to be, or nullopt when none is near: at most one edit for each
// three letters, but one in any case (insertion, deletion, replacement, or two neighbours exchanged). Case
// does not count. Of equally near candidates the first wins. The result points into `candidates`.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);

// "90s", "10m", "1h", "2d", or several with the larger unit first: "1h30m". Longer than zero, at most 36500
// days.
Result<std::chrono::seconds> parse_duration(std::string_view text);

// The same for what may be shorter than a second: "500ms", "1s500ms", too.
Result<std::chrono::milliseconds> parse_short_duration(std::string_view text);

// The shortest text that these two read as `duration`: "1h30m". Zero or less is "0s".
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace fwctl
