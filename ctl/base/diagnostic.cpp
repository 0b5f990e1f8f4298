#include "base/diagnostic.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace fwctl {

namespace {

// Columns of the line number: `   3 | `.
constexpr std::size_t kNumberWidth = 4;

// A longer line says less than its place.
constexpr std::size_t kLongestLine = 1000;

bool starts_code_point(char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
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

// Finds lines of a text, in one pass when they are asked for in order.
class Lines {
public:
    explicit Lines(std::string_view text) : rest_(text) {}

    std::string_view find(std::size_t number) {
        for (; next_ < number; ++next_) {
            const std::size_t end = rest_.find('\n');
            if (end == std::string_view::npos) {
                return {};
            }
            rest_.remove_prefix(end + 1);
        }
        std::string_view line = rest_.substr(0, rest_.find('\n'));
        if (!line.empty() && line.back() == '\r') {
            line.remove_suffix(1);
        }
        return line;
    }

private:
    std::string_view rest_;  // begins with the line `next_`
    std::size_t next_ = 1;
};

// The line with the mark below.
std::string render_excerpt(const SourceSpan& span, std::string_view source) {
    const std::string number = std::to_string(span.line);
    const std::size_t width = std::max(number.size(), kNumberWidth);
    const std::size_t before = std::min(span.column - 1, code_points(source));
    const std::size_t marked =
        std::clamp<std::size_t>(span.length, 1, std::max<std::size_t>(1, code_points(source) - before));
    return fmt::format("{:>{}} | {}\n{:{}} | {}^{:~>{}}\n", number, width, without_controls(source), "",
                       width, padding(source, before), "", marked - 1);
}

std::string render_one(const Diagnostic& diagnostic, std::string_view file_name, Lines& lines) {
    const SourceSpan& span = diagnostic.span;
    std::string out = without_controls(file_name);
    if (span.line > 0) {
        out += fmt::format(":{}:{}", span.line, span.column);
    }
    out += fmt::format(": {}: {}\n", diagnostic.severity == Severity::kError ? "error" : "warning",
                       without_controls(diagnostic.message));
    const std::string_view source = span.line > 0 ? lines.find(span.line) : std::string_view();
    if (!source.empty() && source.size() <= kLongestLine) {
        out += render_excerpt(span, source);
    }
    if (!diagnostic.hint.empty()) {
        out += fmt::format("  hint: {}\n", without_controls(diagnostic.hint));
    }
    return out;
}

}  // namespace

Diagnostics::Diagnostics(std::vector<Source> sources) : sources_(std::move(sources)) {}

std::size_t Diagnostics::add_source(Source source) {
    sources_.push_back(std::move(source));
    return sources_.size() - 1;
}

void Diagnostics::error(std::size_t file, SourceSpan span, std::string message, std::string hint) {
    all_.push_back({Severity::kError, file, span, std::move(message), std::move(hint)});
    ++errors_;
}

void Diagnostics::warning(std::size_t file, SourceSpan span, std::string message, std::string hint) {
    all_.push_back({Severity::kWarning, file, span, std::move(message), std::move(hint)});
}

std::string_view Diagnostics::file_name(std::size_t file) const {
    const std::string& path = sources_[file].path;
    return path == "-" ? "<stdin>" : std::string_view(path);
}

std::string_view Diagnostics::line(std::size_t file, std::size_t number) const {
    return Lines(sources_[file].text).find(number);
}

std::string Diagnostics::render() const {
    std::vector<const Diagnostic*> sorted;
    for (const Diagnostic& diagnostic : all_) {
        sorted.push_back(&diagnostic);
    }
    std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic* one, const Diagnostic* other) {
        return std::tie(one->file, one->span.line, one->span.column) <
               std::tie(other->file, other->span.line, other->span.column);
    });
    std::string out;
    for (std::size_t i = 0; i < sorted.size();) {
        const std::size_t file = sorted[i]->file;
        Lines lines(sources_[file].text);
        for (; i < sorted.size() && sorted[i]->file == file; ++i) {
            out += render_one(*sorted[i], file_name(file), lines);
        }
    }
    return out;
}

}  // namespace fwctl
