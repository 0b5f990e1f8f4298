#include "base/diagnostic.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace fwctl {

namespace {

// Columns of the line number: `   3 | `.
constexpr std::size_t kNumberWidth = 4;

bool starts_code_point(char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
}

std::size_t code_points(std::string_view line) {
    return static_cast<std::size_t>(std::count_if(line.begin(), line.end(), starts_code_point));
}

// A control character of the text must not reach the terminal.
std::string without_controls(std::string_view line) {
    std::string clean(line);
    for (char& byte : clean) {
        const auto value = static_cast<unsigned char>(byte);
        if ((value < 0x20 && byte != '\t') || value == 0x7f) {
            byte = '?';
        }
    }
    return clean;
}

// Blanks as wide as the first `count` characters of the line: a tab stays a tab.
std::string padding(std::string_view line, std::size_t count) {
    std::string blanks;
    for (const char byte : line) {
        if (starts_code_point(byte)) {
            if (blanks.size() == count) {
                break;
            }
            blanks += byte == '\t' ? '\t' : ' ';
        }
    }
    blanks.resize(count, ' ');
    return blanks;
}

}  // namespace

Diagnostics::Diagnostics(std::string_view file_name, std::string_view text)
    : file_name_(file_name), text_(text) {}

void Diagnostics::error(SourceSpan span, std::string message, std::string hint) {
    errors_.push_back({span, std::move(message), std::move(hint)});
}

std::string Diagnostics::render() const {
    std::vector<Diagnostic> sorted = errors_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic& one, const Diagnostic& other) {
        return std::pair(one.span.line, one.span.column) < std::pair(other.span.line, other.span.column);
    });
    std::string out;
    for (const Diagnostic& diagnostic : sorted) {
        out += render_one(diagnostic);
    }
    return out;
}

std::string Diagnostics::render_one(const Diagnostic& diagnostic) const {
    const SourceSpan& span = diagnostic.span;
    std::string out = fmt::format("{}:{}:{}: error: {}\n", file_name_, span.line, span.column,
                                  without_controls(diagnostic.message));

    const std::string_view source = line(span.line);
    if (!source.empty()) {
        const std::string number = std::to_string(span.line);
        const std::size_t width = std::max(number.size(), kNumberWidth);
        const std::size_t before = std::min(span.column - 1, code_points(source));
        const std::size_t marked =
            std::clamp<std::size_t>(span.length, 1, std::max<std::size_t>(1, code_points(source) - before));
        out += fmt::format("{:>{}} | {}\n", number, width, without_controls(source));
        out += fmt::format("{:{}} | {}^{:~>{}}\n", "", width, padding(source, before), "", marked - 1);
    }
    if (!diagnostic.hint.empty()) {
        out += fmt::format("  hint: {}\n", diagnostic.hint);
    }
    return out;
}

std::string_view Diagnostics::line(std::size_t number) const {
    std::string_view rest = text_;
    for (; number > 1; --number) {
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos) {
            return {};
        }
        rest.remove_prefix(end + 1);
    }
    rest = rest.substr(0, rest.find('\n'));
    if (!rest.empty() && rest.back() == '\r') {
        rest.remove_suffix(1);
    }
    return rest;
}

}  // namespace fwctl
