// One line of a file, read from left to right; blanks part its pieces.
//
// Promises: the first mistake stays, with file, line and column (from 1, in bytes), and whatever is read
// after it is 0 or empty, so that a reader asks once, at the end.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/diagnostic.h"
#include "base/result.h"

namespace fwctl::generate {

class LineCursor {
public:
    LineCursor(std::string_view file, std::size_t number, std::string_view text)
        : file_(file), number_(number), text_(text) {}

    // The column of the next piece.
    std::size_t column();
    bool at_end();

    // `what` has to stand here, for the error: "a port".
    unsigned number(const char* what, unsigned most);
    unsigned hexadecimal(const char* what, unsigned most);
    void mark(char wanted);
    // Up to the next blank.
    std::string_view word(const char* what);

    void wrong(std::size_t column, const std::string& message);
    [[nodiscard]] const Status& read() const { return read_; }

private:
    unsigned number(const std::string& what, unsigned most, int base);
    void expect(const std::string& what);

    std::string_view file_;
    std::size_t number_;
    std::string_view text_;
    std::size_t at_ = 0;
    Status read_;
};

// Calls `read` for each line that is not blank, up to the first mistake; of that line nothing may be left.
Status read_lines(const Source& file, const std::function<void(LineCursor& line, std::size_t number)>& read);

}  // namespace fwctl::generate
