#include "policy/feed.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/addresses.h"
#include "policy/prefix.h"
#include "policy/prefix_list.h"

namespace fwctl::policy {

namespace {

constexpr std::size_t kShownErrors = 20;

bool is_blank(char letter) {
    return letter == ' ' || letter == '\t' || letter == '\r';
}

// Up to a blank or a remark; empty when there is none, but then still within the line.
std::string_view first_word(std::string_view line) {
    std::size_t begin = 0;
    while (begin < line.size() && is_blank(line[begin])) {
        ++begin;
    }
    std::size_t end = begin;
    while (end < line.size() && !is_blank(line[end]) && line[end] != ';' && line[end] != '#') {
        ++end;
    }
    return line.substr(begin, end - begin);
}

// "10.0.0.1 - 10.0.0.9" as one word, and nothing for "10.0.0.1 - a remark".
std::string range_with_blanks(std::string_view first, std::string_view behind) {
    const std::string_view dash = first_word(behind);
    if (dash.empty() || dash.front() != '-') {
        return {};
    }
    const std::string_view last =
        dash.size() > 1 ? dash.substr(1) : first_word(behind.substr(behind.find('-') + 1));
    return parse_uncut_prefix(last) ? fmt::format("{}-{}", first, last) : std::string();
}

class FeedReader {
public:
    FeedReader(Diagnostics& diagnostics, std::size_t file, bool is_timed = false)
        : diagnostics_(diagnostics), file_(file), is_timed_(is_timed) {}

    std::vector<Prefix> read() {
        // A copy of the view, not of the text: nothing adds sources meanwhile.
        std::string_view rest = diagnostics_.sources()[file_].text;
        constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
        if (rest.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
            rest.remove_prefix(kByteOrderMark.size());
        }
        prefixes_.reserve(static_cast<std::size_t>(std::count(rest.begin(), rest.end(), '\n')) + 1);
        for (line_ = 1; !rest.empty(); ++line_) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            read_line(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        times_.resize(prefixes_.size(), time_);
        report();
        return std::move(prefixes_);
    }

    // Of each entry that was read.
    [[nodiscard]] const std::vector<std::chrono::seconds>& times() const { return times_; }

private:
    // Of the entries of this line.
    bool read_time(std::size_t begin, std::string_view behind) {
        times_.resize(prefixes_.size(), time_);
        time_ = std::chrono::seconds(0);
        const std::string_view word = first_word(behind);
        if (word.empty()) {
            return true;
        }
        const auto time = parse_duration(word);
        if (!time) {
            refuse(begin + static_cast<std::size_t>(word.data() - behind.data()), word.size(),
                   time.error().message);
            return false;
        }
        time_ = *time;
        return true;
    }

    void read_line(std::string_view line) {
        const std::string_view word = first_word(line);
        if (word.empty()) {
            return;
        }
        const auto begin = static_cast<std::size_t>(word.data() - line.data());
        const std::string_view behind = line.substr(begin + word.size());
        if (is_timed_ && !read_time(begin + word.size(), behind)) {
            return;
        }
        const std::string range = is_timed_ || word.find('-') != std::string_view::npos
                                      ? std::string(word)
                                      : range_with_blanks(word, behind);
        if (!range.empty()) {
            if (const Status read = append_prefixes(prefixes_, range); !read) {
                refuse(begin, word.size(), read.error().message);
            }
            return;
        }
        const auto prefix = parse_uncut_prefix(word);
        if (!prefix) {
            refuse(begin, word.size(), prefix.error().message);
            return;
        }
        prefixes_.push_back(cut(*prefix, prefix->length));
        if (prefixes_.back() != *prefix && cuts_++ == 0) {
            first_cut_ = span(begin, word.size());
        }
    }

    [[nodiscard]] SourceSpan span(std::size_t begin, std::size_t length) const {
        return {line_, begin + 1, length};
    }

    void refuse(std::size_t begin, std::size_t length, const std::string& message) {
        if (errors_++ < kShownErrors) {
            diagnostics_.error(file_, span(begin, length), message);
        }
        last_error_ = line_;
    }

    void report() {
        if (errors_ > kShownErrors) {
            diagnostics_.error(file_, {last_error_, 1, 0},
                               fmt::format("and {} more lines up to here", errors_ - kShownErrors));
        }
        if (cuts_ > 0) {
            diagnostics_.warning(
                file_, first_cut_,
                fmt::format("{} {} bits set behind {} length; they are read as the blocks that they lie in, "
                            "beginning with this one",
                            cuts_, cuts_ == 1 ? "entry has" : "entries have", cuts_ == 1 ? "its" : "their"));
        }
    }

    Diagnostics& diagnostics_;
    std::size_t file_;
    bool is_timed_;
    std::vector<Prefix> prefixes_;
    std::vector<std::chrono::seconds> times_;
    std::chrono::seconds time_{0};  // of the entries behind those that have one
    std::size_t line_ = 1;
    std::size_t errors_ = 0;
    std::size_t last_error_ = 0;
    std::size_t cuts_ = 0;
    SourceSpan first_cut_;
};

}  // namespace

std::vector<Prefix> read_feed(Diagnostics& diagnostics, std::size_t file) {
    std::vector<Prefix> prefixes = read_feed_lines(diagnostics, file);
    reduce(prefixes);
    return prefixes;
}

std::vector<Prefix> read_feed_lines(Diagnostics& diagnostics, std::size_t file) {
    return FeedReader(diagnostics, file).read();
}

std::vector<TimedPrefix> read_timed_feed_lines(Diagnostics& diagnostics, std::size_t file) {
    FeedReader reader(diagnostics, file, true);
    const std::vector<Prefix> prefixes = reader.read();
    std::vector<TimedPrefix> timed;
    timed.reserve(prefixes.size());
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
        timed.push_back({prefixes[i], reader.times()[i]});
    }
    return timed;
}

}  // namespace fwctl::policy
