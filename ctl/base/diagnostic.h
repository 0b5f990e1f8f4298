// Diagnostics: the mistakes in some texts, each with the place where it stands.
//
//     policy.toml:3:1: error: unknown key "form"
//        3 | form = "x"
//          | ^~~~
//       hint: did you mean "from"?
//
// Promises: mistakes accumulate and are shown in the order of the files, within a file in that of its lines,
// so that one run shows them all. Lines and columns count from 1, columns and lengths in Unicode code points.
// Nothing is written anywhere: render() gives text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fwctl {

// A text and where it came from. The path "-" is shown as <stdin>.
struct Source {
    std::string path;
    std::string text;
    bool operator==(const Source&) const = default;
};

// A piece of one line. Length 0 is shown as one caret; what reaches beyond its line is cut to it. Line 0 is
// the file as a whole.
struct SourceSpan {
    std::size_t line = 1;
    std::size_t column = 1;
    std::size_t length = 0;
    bool operator==(const SourceSpan&) const = default;
};

enum class Severity { kError, kWarning };

struct Diagnostic {
    Severity severity = Severity::kError;
    std::size_t file = 0;  // the index of its source
    SourceSpan span;
    std::string message;
    std::string hint;  // may be empty
};

class Diagnostics {
public:
    Diagnostics() = default;
    explicit Diagnostics(std::vector<Source> sources);

    // The index by which mistakes name the text.
    std::size_t add_source(Source source);

    void error(std::size_t file, SourceSpan span, std::string message, std::string hint = {});
    void warning(std::size_t file, SourceSpan span, std::string message, std::string hint = {});

    [[nodiscard]] bool empty() const { return all_.empty(); }
    [[nodiscard]] std::size_t errors() const { return errors_; }
    [[nodiscard]] const std::vector<Diagnostic>& all() const { return all_; }  // in the order of their coming
    [[nodiscard]] const std::vector<Source>& sources() const { return sources_; }

    // As it is shown.
    [[nodiscard]] std::string_view file_name(std::size_t file) const;

    // A line of a text without its end; empty when there is none of that number.
    [[nodiscard]] std::string_view line(std::size_t file, std::size_t number) const;

    // Every mistake as above, each line ended by a newline; empty when there is none.
    [[nodiscard]] std::string render() const;

private:
    std::vector<Source> sources_;
    std::vector<Diagnostic> all_;
    std::size_t errors_ = 0;
};

}  // namespace fwctl
