#include "import/printable.h"

#include <algorithm>
#include <cstddef>

namespace fwctl::importer {

namespace {

// The bytes of the letter that `text` begins with; 0: it begins with none (RFC 3629 section 4).
std::size_t letter_size(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return 1;
    }
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    const unsigned first = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned last = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    const bool begins = lead >= 0xc2 && lead <= 0xf4 && byte(1) >= first && byte(1) <= last;
    const auto follows = [&](std::size_t i) { return i >= size || (byte(i) & 0xc0) == 0x80; };
    return begins && follows(2) && follows(3) ? size : 0;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t size = letter_size(text);
        const bool is_control = (text[0] >= 0 && text[0] < ' ') || text[0] == 0x7f;
        out += size == 0 || is_control ? "?" : text.substr(0, size);
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

}  // namespace fwctl::importer
