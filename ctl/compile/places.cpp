#include "compile/places.h"

#include <algorithm>

#include "policy/rule.h"
#include "policy/schema.h"

namespace fwctl::compile {
namespace {

using policy::Direction;

Direction direction_of(std::string_view word) {
    for (const Direction direction : {Direction::kIn, Direction::kOut})
        if (word == policy::direction_name(direction)) return direction;
    return Direction::kBoth;
}

}  // namespace

std::uint32_t Places::number_of(Direction direction, const std::vector<std::string>& on) {
    if (direction == Direction::kBoth && on.empty()) return 0;
    const auto [entry, is_new] =
        numbers_.try_emplace({direction, on}, static_cast<std::uint32_t>(places_.size() + 1));
    if (is_new) places_.push_back(entry->first);
    return entry->second;
}

// A line for each: the direction and the interfaces. Interface names have no blanks.
std::string Places::text() const {
    std::string text;
    for (const auto& [direction, on] : places_) {
        text += policy::direction_name(direction);
        for (const std::string& pattern : on) text += " " + pattern;
        text += '\n';
    }
    return text;
}

Places Places::parse(std::string_view text) {
    Places places;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        std::vector<std::string> words;
        while (!line.empty()) {
            const std::string_view word = line.substr(0, line.find(' '));
            words.emplace_back(word);
            line.remove_prefix(std::min(line.size(), word.size() + 1));
        }
        if (words.empty()) continue;
        places.number_of(direction_of(words.front()), {words.begin() + 1, words.end()});
    }
    return places;
}

std::vector<std::uint32_t> Places::bits(const std::vector<std::string>& names, fw_direction direction) const {
    std::vector<std::uint32_t> bits((size() + 31) / 32);
    const Direction other = direction == FW_IN ? Direction::kOut : Direction::kIn;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const auto& [wanted, on] = places_[i];
        const bool here = std::any_of(names.begin(), names.end(), [&patterns = on](const std::string& name) {
            return policy::any_matches(patterns, name);
        });
        if (here && wanted != other) bits[(i + 1) / 32] |= 1U << ((i + 1) % 32);
    }
    return bits;
}

}  // namespace fwctl::compile
