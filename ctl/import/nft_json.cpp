#include "import/nft_json.h"

namespace fwctl::importer {

const Json* member(const Json& json, std::string_view key) {
    if (!json.is_object()) {
        return nullptr;
    }
    const auto value = json.find(std::string(key));
    return value == json.end() ? nullptr : &*value;
}

std::string text_of(const Json& json, std::string_view key) {
    const Json* value = member(json, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

std::optional<std::string> word_of(const Json& json) {
    if (json.is_string()) {
        return json.get<std::string>();
    }
    return json.is_number_integer() ? std::optional(dump(json)) : std::nullopt;
}

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string only_key(const Json& json) {
    return json.is_object() && json.size() == 1 ? json.begin().key() : "";
}

}  // namespace fwctl::importer
