// Reading JSON that may be of any form: what is not there, or of another type, is nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace fwctl::importer {

using Json = nlohmann::json;

// The value of a key; nullptr: there is none, or `json` is no object.
const Json* member(const Json& json, std::string_view key);

// The string that the key has; empty: none.
std::string text_of(const Json& json, std::string_view key);

// A string, or a whole number in decimal.
std::optional<std::string> word_of(const Json& json);

// As text in one line, whatever bytes its strings have.
std::string dump(const Json& json);

// The only key of an object that has one.
std::string only_key(const Json& json);

}  // namespace fwctl::importer
