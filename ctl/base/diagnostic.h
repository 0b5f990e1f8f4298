// Diagnostics: the mistakes in one text, each with the place where it stands.
//
//     policy.toml:3:1: error: unknown key "form"
//        3 | form = "x"
//          | ^~~~
//       hint: did you mean "from"?
//
// Promises: mistakes accumulate and are shown in the order of the text, so that one run shows them all. Lines
// and columns count from 1, columns and lengths in Unicode code points. Nothing is written anywhere: render()
// gives text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fwctl {

// A piece of one line. Length 0 is shown as one caret; what reaches beyond its line is cut to it.
struct SourceSpan {
    std::size_t line = 1;
    std::size_t column = 1;
    std::size_t length = 0;
    bool operator==(const SourceSpan&) const = default;
};

struct Diagnostic {
    SourceSpan span;
    std::string message;
    std::string hint;  // may be empty
};

class Diagnostics {
public:
    // `file_name` stands in front of every mistake. Both are copied.
    Diagnostics(std::string_view file_name, std::string_view text);

    void error(SourceSpan span, std::string message, std::string hint = {});

    [[nodiscard]] bool empty() const { return errors_.empty(); }
    [[nodiscard]] const std::vector<Diagnostic>& errors() const { return errors_; }

    // A line of the text without its end; empty when there is none of that number.
    [[nodiscard]] std::string_view line(std::size_t number) const;

    // Every mistake as above, each line ended by a newline; empty when there is none.
    [[nodiscard]] std::string render() const;

private:
    [[nodiscard]] std::string render_one(const Diagnostic& diagnostic) const;

    std::string file_name_;
    std::string text_;
    std::vector<Diagnostic> errors_;
};

}  // namespace fwctl
