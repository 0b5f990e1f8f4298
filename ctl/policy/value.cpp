#include "policy/value.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "policy/prefix.h"
#include "policy/rule.h"

namespace fwctl::policy {

namespace {

// A terminal would obey them.
bool has_controls(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (control_size(text.substr(i)) != 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

Error not_a_choice(std::string_view word, std::string_view what,
                   const std::vector<std::string_view>& choices) {
    const std::span<const std::string_view> all(choices);
    const std::string others = fmt::format("{}", fmt::join(all.first(all.size() - 1), ", "));
    return {fmt::format("\"{}\" is not {}; write {}{}{}", word, what, others, others.empty() ? "" : " or ",
                        all.back()),
            Exit::kUsage};
}

Status read_boolean(bool& value, std::string_view word) {
    value = word == "true";
    return {};
}

Status read_count(std::uint32_t& value, std::uint32_t largest, std::string_view word, std::string_view key) {
    const auto number = parse_number(word, largest);
    if (!number || *number == 0) {
        return fail(fmt::format("\"{}\" is a number from 1 to {}, not {}", key, largest, word), Exit::kUsage);
    }
    value = *number;
    return {};
}

Status read_port(std::uint16_t& port, std::string_view word, std::string_view key) {
    std::uint32_t number = 0;
    return read_count(number, std::numeric_limits<std::uint16_t>::max(), word, key).map([&] {
        port = static_cast<std::uint16_t>(number);
    });
}

Status read_text(std::string& text, std::string_view word, std::string_view key) {
    if (has_controls(word)) {
        return fail(fmt::format("\"{}\" is one line of text, without control characters", key), Exit::kUsage);
    }
    text = word;
    return {};
}

Status read_interface(std::string& name, std::string_view word) {
    if (is_pattern(word)) {
        return fail(fmt::format("\"{}\" is a pattern; name one interface", word), Exit::kUsage);
    }
    return check_interface(word).map([&] { name = word; });
}

Result<Prefix> parse_address(std::string_view word) {
    auto prefix = parse_prefix(word);
    if (prefix && prefix->length != address_bits(prefix->family)) {
        return fail(fmt::format("{} is a block; name one address", word), Exit::kUsage);
    }
    return prefix;
}

}  // namespace fwctl::policy
