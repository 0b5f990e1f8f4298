// A terminal that a command has for itself, by ncurses.
//
// Promises: the terminal is as it was before once the Screen is gone. Works without colours and without keys
// for the cursor. Text has to be printable.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace fwctl::cli {

class Screen {
public:
    enum class Style { kPlain, kBold, kReverse };

    // An error when stdin or stdout is no terminal, or one that nothing is known of.
    static Result<Screen> open();
    Screen(Screen&& other) noexcept;
    Screen& operator=(Screen&&) = delete;
    ~Screen();

    [[nodiscard]] int rows() const;
    [[nodiscard]] int columns() const;
    void clear();
    // What does not fit is cut off.
    void put(int row, const std::string& text, Style style = Style::kPlain);
    void show();

    // A character or a KEY_* of ncurses, also for another size; 0: none came, or a signal did.
    int key(std::chrono::milliseconds wait);

private:
    explicit Screen(void* handle) : handle_(handle) {}
    void* handle_;  // SCREEN
};

// Keys beside those that are characters.
enum ScreenKey {
    kKeyUp = 0x100000,
    kKeyDown,
    kKeyPageUp,
    kKeyPageDown,
    kKeyHome,
    kKeyBackspace,
    kKeyEnter,
    kKeyEscape
};

}  // namespace fwctl::cli
