#include "cli/screen.h"

#define NCURSES_NOMACROS
#include <ncurses.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "cli/interrupt.h"
#include "cli/top_text.h"

namespace fwctl::cli {
namespace {

attr_t attributes_of(Screen::Style style) {
    switch (style) {
        case Screen::Style::kBold:
            return A_BOLD;
        case Screen::Style::kReverse:
            return A_REVERSE;
        case Screen::Style::kPlain:
            break;
    }
    return A_NORMAL;
}

// Whether the terminal has a string for this: "cup" moves the cursor, "ed" clears what is behind it.
bool can(const char* what) {
    const char* how = tigetstr(what);
    return how != nullptr && how != reinterpret_cast<char*>(-1);
}

int own_key(int key) {
    switch (key) {
        case KEY_UP:
            return kKeyUp;
        case KEY_DOWN:
            return kKeyDown;
        case KEY_PPAGE:
            return kKeyPageUp;
        case KEY_NPAGE:
            return kKeyPageDown;
        case KEY_HOME:
            return kKeyHome;
        case KEY_BACKSPACE:
        case '\b':
        case 127:
            return kKeyBackspace;
        case KEY_ENTER:
        case '\n':
        case '\r':
            return kKeyEnter;
        case 27:
            return kKeyEscape;
        default:
            return key > 0 && key < KEY_MIN ? key : 0;
    }
}

}  // namespace

Result<Screen> Screen::open() {
    if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0)
        return fail("this is no terminal; without one: fwctl top --once", Exit::kUsage);
    SCREEN* handle = newterm(nullptr, stdout, stdin);
    if (handle == nullptr || !can("cup") || !can("ed")) {
        if (handle != nullptr) endwin();
        const char* name = std::getenv("TERM");
        return fail(
            fmt::format("a terminal of the kind \"{}\" (TERM) cannot show it; without one: fwctl top --once",
                        name == nullptr ? "" : name),
            Exit::kUsage);
    }
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    return Screen(handle);
}

Screen::Screen(Screen&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Screen::~Screen() {
    if (handle_ == nullptr) return;
    curs_set(1);
    endwin();
    delscreen(static_cast<SCREEN*>(handle_));
}

int Screen::rows() const {
    return LINES;
}

int Screen::columns() const {
    return COLS;
}

void Screen::clear() {
    erase();
}

void Screen::put(int row, const std::string& text, Style style) {
    if (row < 0 || row >= LINES) return;
    std::string shown = cut_to(text, static_cast<std::size_t>(COLS));
    attrset(attributes_of(style));
    mvaddstr(row, 0, shown.c_str());
    attrset(A_NORMAL);
}

void Screen::show() {
    refresh();
}

int Screen::key(std::chrono::milliseconds wait) {
    int key = getch();
    if (key == ERR) {
        pause_unless_interrupted(wait, STDIN_FILENO);
        key = getch();
    }
    return key == ERR ? 0 : own_key(key);
}

}  // namespace fwctl::cli
