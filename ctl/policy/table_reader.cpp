#include "policy/table_reader.h"

#include "base/text.h"

namespace fwctl::policy {

SourceSpan span_of(const toml::source_region& region) {
    SourceSpan span{region.begin.line, region.begin.column, 0};
    span.length = region.end.line == region.begin.line ? region.end.column - region.begin.column
                                                       : std::numeric_limits<std::size_t>::max();
    return span;
}

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "an array";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a float";
        case toml::node_type::boolean:
            return "a boolean";
        default:
            return "a date or time";
    }
}

std::string_view wanted(ValueKind kind) {
    switch (kind) {
        case ValueKind::kWord:
            return "a string";
        case ValueKind::kWords:
        case ValueKind::kList:
            return "a string or an array of strings";
        case ValueKind::kNumbers:
            return "a number, a string or an array of them";
        case ValueKind::kBoolean:
            return "true or false";
        case ValueKind::kInteger:
            return "an integer";
        case ValueKind::kTable:
            break;
    }
    return "an inline table";
}

std::optional<std::string> word_of(ValueKind kind, const toml::node& node) {
    if (kind == ValueKind::kBoolean) {
        const auto value = node.value_exact<bool>();
        return value ? std::optional<std::string>(*value ? "true" : "false") : std::nullopt;
    }
    if (kind == ValueKind::kInteger) {
        const auto value = node.value_exact<std::int64_t>();
        return value ? std::optional(std::to_string(*value)) : std::nullopt;
    }
    if (kind == ValueKind::kNumbers && node.is_integer()) {
        return std::to_string(*node.value_exact<std::int64_t>());
    }
    return kind == ValueKind::kTable ? std::nullopt : node.value_exact<std::string>();
}

std::string key_hint(std::string_view word, std::span<const std::string_view> known, std::string_view of) {
    if (const auto meant = nearest(word, known)) {
        return fmt::format("did you mean \"{}\"?", *meant);
    }
    return fmt::format("the keys of {} are {}", of, fmt::join(known, ", "));
}

void TableReader::refuse_key(const toml::key& key, std::span<const std::string_view> known,
                             std::string_view of) {
    // TOML gives a key behind a heading to the table of that heading.
    const bool is_of_the_top = key == "version" || key == "include";
    error(key.source(), fmt::format("unknown key \"{}\"", key.str()),
          is_of_the_top ? fmt::format("{} stands before the first [table] of the file", key.str())
                        : key_hint(key, known, of));
}

const toml::table* TableReader::table_of(const toml::node& node, std::string_view of,
                                         std::string_view heading) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
        error(node.source(), fmt::format("{} is a table, not {}", of, kind_of(node)),
              fmt::format("write {}", heading));
    }
    return table;
}

void TableReader::refuse_empty(std::string_view key, std::string_view accepts, const toml::array& list) {
    error(list.source(), fmt::format("\"{}\" lists nothing and would match nothing", key),
          accepts.empty() ? fmt::format("leave {} out to match everything", key)
                          : fmt::format("{} takes {}", key, accepts));
}

}  // namespace fwctl::policy
