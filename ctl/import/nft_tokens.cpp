#include "import/nft_tokens.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace fwctl::importer {

namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kMarks = "{}(),;";
constexpr std::string_view kEnds = " \t\r\n{}(),;\"#";

class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}

    // False: quotes are not closed where the lexer stands.
    bool read() {
        while (at_ < text_.size()) {
            const char letter = text_[at_];
            if (letter == '\n') {
                add(1, 0);
                ++line_;
                line_begin_ = at_;
            } else if (kBlanks.find(letter) != std::string_view::npos) {
                ++at_;
            } else if (letter == '#') {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else if (letter == '"') {
                const std::size_t end = text_.find_first_of("\"\n", at_ + 1);
                if (end == std::string_view::npos || text_[end] == '\n') {
                    return false;
                }
                add(end + 1 - at_, 1);
            } else if (kMarks.find(letter) != std::string_view::npos) {
                add(1, 0);
            } else {
                add(std::min(text_.find_first_of(kEnds, at_), text_.size()) - at_, 0);
            }
        }
        return true;
    }

    [[nodiscard]] std::size_t line() const { return line_; }
    [[nodiscard]] std::size_t column() const { return at_ - line_begin_ + 1; }
    std::vector<NftToken> take() { return std::move(tokens_); }

private:
    void add(std::size_t size, std::size_t quotes) {
        tokens_.push_back({std::string(text_.substr(at_ + quotes, size - 2 * quotes)), quotes != 0, line_,
                           column(), at_, at_ + size});
        at_ += size;
    }

    std::string_view text_;
    std::vector<NftToken> tokens_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
    std::size_t line_begin_ = 0;
};

}  // namespace

Result<std::vector<NftToken>> nft_tokens(std::string_view text, std::string_view file_name) {
    Lexer lexer(text);
    if (!lexer.read()) {
        return fail(
            fmt::format("{}:{}:{}: a quotation mark is not closed", file_name, lexer.line(), lexer.column()),
            Exit::kUsage);
    }
    return lexer.take();
}

}  // namespace fwctl::importer
