#include "cli/top_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cwchar>

#include "cli/output.h"

namespace fwctl::cli {
namespace {

// One character of a terminal's text: its bytes and how many columns it takes.
struct Character {
    std::size_t bytes = 1;
    int width = -1;  // -1: it is not printable
};

Character first_of(std::string_view text) {
    std::mbstate_t state{};
    wchar_t wide = 0;
    const std::size_t bytes = std::mbrtowc(&wide, text.data(), text.size(), &state);
    if (bytes == 0 || bytes > text.size()) return {};
    return {bytes, wcwidth(wide)};
}

std::size_t width_of(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const Character one = first_of(text);
        width += static_cast<std::size_t>(std::max(one.width, 0));
        text.remove_prefix(one.bytes);
    }
    return width;
}

bool is_number(const observe::Cell& cell) {
    return !std::holds_alternative<std::string>(cell);
}

std::string text_of(const observe::Cell& cell) {
    if (const auto* number = std::get_if<std::uint64_t>(&cell)) return with_commas(*number);
    if (const auto* rate = std::get_if<double>(&cell)) return rate_text(*rate);
    return printable(std::get<std::string>(cell));
}

std::string line_of(const std::vector<std::string>& words, const std::vector<std::size_t>& widths,
                    const std::vector<bool>& to_the_right) {
    std::string line;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string space(widths[i] - width_of(words[i]), ' ');
        if (i != 0) line += "  ";
        line += to_the_right[i] ? space + words[i] : words[i] + space;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string shown;
    while (!text.empty()) {
        const Character one = first_of(text);
        if (one.width > 0)
            shown += text.substr(0, one.bytes);
        else
            shown += '?';
        text.remove_prefix(one.bytes);
    }
    return shown;
}

std::string cut_to(std::string_view text, std::size_t width) {
    std::string shown;
    std::size_t taken = 0;
    while (!text.empty()) {
        const Character one = first_of(text);
        taken += static_cast<std::size_t>(std::max(one.width, 0));
        if (taken > width) break;
        shown += text.substr(0, one.bytes);
        text.remove_prefix(one.bytes);
    }
    return shown;
}

std::vector<std::string> interface_lines(const observe::Counts& counts, const observe::Rates& rates,
                                         std::size_t most) {
    struct Line {
        std::string name;
        double passed, dropped;
    };
    std::vector<Line> lines;
    for (std::size_t i = 0; i < counts.interfaces.size(); ++i) {
        const observe::InterfaceRates& rate = rates.interfaces[i];
        lines.push_back({printable(counts.interfaces[i].name), rate.passed(), rate.dropped()});
    }
    std::stable_sort(lines.begin(), lines.end(), [](const Line& one, const Line& other) {
        return one.passed + one.dropped > other.passed + other.dropped;
    });
    if (lines.size() > most) {
        Line rest{fmt::format("{} others", lines.size() - most + 1), 0, 0};
        for (std::size_t i = most - 1; i < lines.size(); ++i) {
            rest.passed += lines[i].passed;
            rest.dropped += lines[i].dropped;
        }
        lines.resize(most - 1);
        lines.push_back(std::move(rest));
    }
    std::vector<std::string> texts;
    for (const Line& line : lines)
        texts.push_back(fmt::format("{:<16} {:>13} passed/s {:>13} dropped/s", line.name,
                                    rate_text(line.passed), rate_text(line.dropped)));
    return texts;
}

std::vector<std::string> table_lines(const observe::Ranking& ranking, std::size_t first, std::size_t most) {
    std::vector<std::size_t> widths;
    std::vector<bool> to_the_right(ranking.columns.size(), false);
    std::vector<std::vector<std::string>> rows(1);
    for (const observe::Column& column : ranking.columns) {
        rows[0].push_back(column.title);
        widths.push_back(column.title.size());
    }
    for (std::size_t i = first; i < ranking.rows.size() && i - first < most; ++i) {
        std::vector<std::string> words;
        for (std::size_t j = 0; j < ranking.columns.size(); ++j) {
            words.push_back(text_of(ranking.rows[i].cells[j]));
            to_the_right[j] = is_number(ranking.rows[i].cells[j]);
            // Numbers that come and go are not to move what stands beside them.
            constexpr std::size_t kUsual = 11;
            widths[j] = std::max({widths[j], width_of(words[j]), to_the_right[j] ? kUsual : 0});
        }
        rows.push_back(std::move(words));
    }
    std::vector<std::string> lines;
    for (const auto& row : rows) lines.push_back(line_of(row, widths, to_the_right));
    return lines;
}

}  // namespace fwctl::cli
