// Text and JSON for the terminal: results on stdout, everything said about them on stderr.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/command.h"

namespace fwctl::cli {

using Json = nlohmann::ordered_json;

enum class Color { kRed, kYellow, kGreen, kBold };

// The text in colour where stdout is a terminal that wants it.
std::string paint(std::string_view text, Color color, const Globals& globals);

// "fwctl: …" on stderr, in one line unless the message has several.
void print_error(std::string_view message, const Globals& globals);
// A sentence on stderr; nothing with --quiet.
void print_note(std::string_view message, const Globals& globals);
// What ends a line that says what was done: nothing, or that it was not.
std::string_view dry_run_suffix(const Globals& globals);
// An error when --dry-run is given to a command that changes more than rules: what the kernel would answer is
// known by trying alone.
Status refuse_dry_run(const Globals& globals);
// Adds "schema": 1 in front.
void print_json(const Json& value);
// The same in one line, for streams.
void print_json_line(const Json& value);

// Columns as wide as their widest cell; numbers to the right.
class Table {
public:
    struct Column {
        std::string title;
        bool to_the_right = false;
    };
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    void print(const Globals& globals) const;

private:
    [[nodiscard]] std::string format(const std::vector<std::string>& cells) const;
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

// 1234567 as "1,234,567".
std::string with_commas(std::uint64_t number);
// Per second: "1,234", "0.5", "0".
std::string rate_text(double rate);
std::string join(const std::vector<std::string>& words, std::string_view between);

}  // namespace fwctl::cli
