#include "generate/line_cursor.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

namespace fwctl::generate {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kBehindNumber = " \t\r:/";

// The piece that a mistake is about, fit for a terminal.
std::string shown(std::string_view piece) {
    constexpr std::size_t kMost = 40;
    if (piece.empty()) return "the end of the line";
    std::string word(piece.substr(0, std::min(kMost, piece.find_first_of(kBlanks))));
    std::replace_if(
        word.begin(), word.end(), [](unsigned char byte) { return byte < ' ' || byte >= 0x7f; }, '?');
    return '"' + word + '"';
}

}  // namespace

std::size_t LineCursor::column() {
    at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size());
    return at_ + 1;
}

bool LineCursor::at_end() {
    column();
    return at_ == text_.size();
}

void LineCursor::wrong(std::size_t column, const std::string& message) {
    if (read_) read_ = refuse(fmt::format("{}:{}:{}: {}", file_, number_, column, message));
}

void LineCursor::expect(const std::string& what) {
    wrong(column(), fmt::format("{} has to stand here, not {}", what, shown(text_.substr(at_))));
}

unsigned LineCursor::number(const std::string& what, unsigned most, int base) {
    if (!read_) return 0;
    column();
    unsigned value = 0;
    const char* const first = text_.data() + at_;
    const char* const last = text_.data() + text_.size();
    const auto [end, error] = std::from_chars(first, last, value, base);
    const bool ends = end == last || kBehindNumber.find(*end) != std::string_view::npos;
    if (error != std::errc{} || !ends || value > most) {
        expect(what);
        return 0;
    }
    at_ += static_cast<std::size_t>(end - first);
    return value;
}

unsigned LineCursor::number(const char* what, unsigned most) {
    return number(fmt::format("{} from 0 to {}", what, most), most, 10);
}

unsigned LineCursor::hexadecimal(const char* what, unsigned most) {
    const std::string range = fmt::format("{} from 0x0 to {:#x}", what, most);
    column();
    if (text_.substr(at_).starts_with("0x")) at_ += 2;
    return number(range, most, 16);
}

void LineCursor::mark(char wanted) {
    if (!read_) return;
    if (at_end() || text_[at_] != wanted)
        expect(fmt::format("\"{}\"", wanted));
    else
        ++at_;
}

std::string_view LineCursor::word(const char* what) {
    if (!read_) return {};
    if (at_end()) {
        expect(what);
        return {};
    }
    const std::string_view word = text_.substr(at_, text_.find_first_of(kBlanks, at_) - at_);
    at_ += word.size();
    return word;
}

Status read_lines(const Source& file, const std::function<void(LineCursor&, std::size_t)>& read) {
    std::string_view text = file.text;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        LineCursor line(file.path, number, text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.at_end()) continue;
        read(line, number);
        if (line.read() && !line.at_end()) line.wrong(line.column(), "the line is longer than it may be");
        if (!line.read()) return line.read();
    }
    return {};
}

}  // namespace fwctl::generate
