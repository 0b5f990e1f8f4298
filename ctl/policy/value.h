// Values that keys of several tables share: one word into one value, with an error that says what is
// accepted.
//
// Promises: an error leaves the value as it was.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// A value that is one of a few, as it is written.
template <typename Value>
struct Choice {
    std::string_view word;
    Value value;
};

// "X is not an action; write allow or deny".
Error not_a_choice(std::string_view word, std::string_view what,
                   const std::vector<std::string_view>& choices);

template <typename Value>
Status choose(Value& value, std::span<const Choice<Value>> choices, std::string_view word,
              std::string_view what) {
    std::vector<std::string_view> words;
    for (const Choice<Value>& choice : choices) {
        if (choice.word == word) {
            value = choice.value;
            return {};
        }
    }
    for (const Choice<Value>& choice : choices) {
        words.push_back(choice.word);
    }
    return tl::unexpected<Error>(not_a_choice(word, what, words));
}

template <typename Value>
std::string_view word_of(std::span<const Choice<Value>> choices, Value value) {
    for (const Choice<Value>& choice : choices) {
        if (choice.value == value) {
            return choice.word;
        }
    }
    return {};
}

// "true" or "false".
Status read_boolean(bool& value, std::string_view word);

// A number from 1 to `largest`; `key` is what the error calls it.
Status read_count(std::uint32_t& value, std::uint32_t largest, std::string_view word, std::string_view key);

// The same for a port.
Status read_port(std::uint16_t& port, std::string_view word, std::string_view key);

// One line of text: no control characters.
Status read_text(std::string& text, std::string_view word, std::string_view key);

// The name of one interface, without wildcards.
Status read_interface(std::string& name, std::string_view word);

// One address, not a block.
Result<Prefix> parse_address(std::string_view word);

}  // namespace fwctl::policy
