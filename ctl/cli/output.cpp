#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace fwctl::cli {
namespace {

bool wants_color(const Globals& globals, int fd) {
    if (globals.color == "always") return true;
    if (globals.color == "never" || std::getenv("NO_COLOR") != nullptr) return false;
    const char* terminal = std::getenv("TERM");
    return isatty(fd) != 0 && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::string wrap(std::string_view text, Color color) {
    constexpr std::string_view kCodes[] = {"31", "33", "32", "1"};
    return fmt::format("\033[{}m{}\033[0m", kCodes[static_cast<std::size_t>(color)], text);
}

Json with_schema(const Json& value) {
    Json all;
    all["schema"] = 1;
    all.update(value);
    return all;
}

}  // namespace

std::string paint(std::string_view text, Color color, const Globals& globals) {
    return wants_color(globals, STDOUT_FILENO) ? wrap(text, color) : std::string(text);
}

void print_error(std::string_view message, const Globals& globals) {
    const std::string name = wants_color(globals, STDERR_FILENO) ? wrap("fwctl:", Color::kRed) : "fwctl:";
    std::fflush(stdout);  // what was said before is to stand before
    fmt::print(stderr, "{} {}\n", name, message);
}

void print_note(std::string_view message, const Globals& globals) {
    if (globals.quiet) return;
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", message);
}

std::string_view dry_run_suffix(const Globals& globals) {
    return globals.dry_run ? " (dry run: nothing changed)" : "";
}

Status refuse_dry_run(const Globals& globals) {
    if (!globals.dry_run) return {};
    return fail(
        "--dry-run is for allow, deny, reject, limit, rule remove, rule move, panic, ban, unban and edits of "
        "sets, vips and backends",
        Exit::kUsage);
}

void print_json(const Json& value) {
    fmt::print("{}\n", with_schema(value).dump(2, ' ', false, Json::error_handler_t::replace));
}

void print_json_line(const Json& value) {
    fmt::print("{}\n", with_schema(value).dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string Table::format(const std::vector<std::string>& cells) const {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = columns_[i].title.size();
        for (const auto& row : rows_) width = std::max(width, row[i].size());
        line += columns_[i].to_the_right ? fmt::format("{:>{}}", cells[i], width)
                                         : fmt::format("{:<{}}", cells[i], width);
        line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

void Table::print(const Globals& globals) const {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    fmt::print("{}\n", paint(format(titles), Color::kBold, globals));
    for (const auto& row : rows_) fmt::print("{}\n", format(row));
}

std::string with_commas(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > 0; place -= 3)
        text.insert(static_cast<std::size_t>(place), ",");
    return text;
}

std::string rate_text(double rate) {
    if (rate > 0 && rate < 10) return fmt::format("{:.1f}", rate);
    return with_commas(static_cast<std::uint64_t>(std::llround(rate)));
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
    return fmt::format("{}", fmt::join(words, between));
}

}  // namespace fwctl::cli
