// One TOML table into one value by a table of keys (schema.h).
//
// Promises: every mistake is reported at its place, and what can be read is read. Unknown keys are errors
// with a hint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "policy/model.h"
#include "policy/schema.h"
#include "policy/toml.h"

namespace fwctl::policy {

SourceSpan span_of(const toml::source_region& region);

// "a table", "an integer" …
std::string_view kind_of(const toml::node& node);

// What a key of that kind takes: "a string", "true or false" …
std::string_view wanted(ValueKind kind);

// The word that a boolean, an integer or a string is for the key; nullopt when the node is of another kind.
std::optional<std::string> word_of(ValueKind kind, const toml::node& node);

// "did you mean …" where a word is near, else what there is.
std::string key_hint(std::string_view word, std::span<const std::string_view> known, std::string_view of);

class TableReader {
public:
    TableReader(Diagnostics& diagnostics, std::size_t file) : diagnostics_(diagnostics), file_(file) {}

    [[nodiscard]] std::size_t file() const { return file_; }
    [[nodiscard]] Place place(const toml::source_region& region) const { return {file_, span_of(region)}; }

    void error(const toml::source_region& region, std::string message, std::string hint = {}) {
        diagnostics_.error(file_, span_of(region), std::move(message), std::move(hint));
    }

    // `of` is what the table is, as "a rule"; `list` is a key of it that the caller reads: for_each().
    template <typename Target>
    void read(const toml::table& table, std::span<const Key<Target>> keys, Target& target,
              std::string_view of, std::string_view list = {}) {
        for (const auto& [key, value] : table) {
            if (const Key<Target>* row = find_key(keys, key.str())) {
                read_value(*row, value, target);
            } else if (key != list) {
                refuse_key(key, names_of(keys, list), of);
            }
        }
        for (const Key<Target>& row : keys) {
            if (row.required && !table.contains(row.name)) {
                error(table.source(), fmt::format("{} needs the key \"{}\"", of, row.name),
                      fmt::format("{} takes {}", row.name, row.accepts));
            }
        }
    }

    void refuse_key(const toml::key& key, std::span<const std::string_view> known, std::string_view of);

    // Calls `read_one` with each table of the list `name`, which is written under `heading`.
    template <typename ReadOne>
    void for_each(const toml::node& value, std::string_view name, std::string_view heading,
                  ReadOne read_one) {
        const toml::array* list = value.as_array();
        if (list == nullptr) {
            error(value.source(), fmt::format("\"{}\" is a list of tables, not {}", name, kind_of(value)),
                  fmt::format("write {}", heading));
            return;
        }
        for (const toml::node& element : *list) {
            if (const toml::table* table = table_of(element, fmt::format("a {}", name), heading)) {
                read_one(*table);
            }
        }
    }

    // The table of a node that has to be one.
    const toml::table* table_of(const toml::node& node, std::string_view of, std::string_view heading);

private:
    template <typename Target>
    static std::vector<std::string_view> names_of(std::span<const Key<Target>> keys, std::string_view list) {
        std::vector<std::string_view> names;
        for (const Key<Target>& key : keys) {
            names.push_back(key.name);
        }
        if (!list.empty()) {
            names.push_back(list);
        }
        return names;
    }

    template <typename Target>
    void read_value(const Key<Target>& row, const toml::node& value, Target& target) {
        const bool is_list =
            row.kind == ValueKind::kWords || row.kind == ValueKind::kNumbers || row.kind == ValueKind::kList;
        const toml::array* list = is_list ? value.as_array() : nullptr;
        const toml::table* table = row.kind == ValueKind::kTable ? value.as_table() : nullptr;
        if (table != nullptr) {
            read(*table, row.keys(), target, fmt::format("\"{}\"", row.name));
        } else if (list == nullptr) {
            read_word(row, value, target, wanted(row.kind));
        } else {
            if (list->empty() && row.kind != ValueKind::kList) {
                const bool matches_all = std::is_same_v<Target, Rule> && !row.required;
                refuse_empty(row.name, matches_all ? std::string_view() : row.accepts, *list);
            }
            for (const toml::node& element : *list) {
                read_word(row, element, target, "strings");
            }
        }
    }

    template <typename Target>
    void read_word(const Key<Target>& row, const toml::node& value, Target& target, std::string_view takes) {
        const auto word = word_of(row.kind, value);
        if (!word) {
            error(value.source(), fmt::format("\"{}\" takes {}, not {}", row.name, takes, kind_of(value)),
                  fmt::format("{} takes {}", row.name, row.accepts));
            return;
        }
        const Status added = row.add(target, *word);
        if (!added) {
            error(value.source(), added.error().message);
        }
    }

    // `accepts`: what the list may hold; empty: without the list everything matches.
    void refuse_empty(std::string_view key, std::string_view accepts, const toml::array& list);

    Diagnostics& diagnostics_;
    std::size_t file_;
};

}  // namespace fwctl::policy
