#include "policy/quic.h"

#include <fmt/format.h>

namespace fwctl::policy {

namespace {

// 16: it is none.
unsigned digit_of(char letter) {
    constexpr std::string_view kLower = "0123456789abcdef";
    constexpr std::string_view kUpper = "0123456789ABCDEF";
    const std::size_t lower = kLower.find(letter);
    const std::size_t place = lower == std::string_view::npos ? kUpper.find(letter) : lower;
    return place == std::string_view::npos ? 16 : static_cast<unsigned>(place);
}

}  // namespace

Result<ServerId> parse_server_id(std::string_view word) {
    ServerId id;
    bool is_one = !word.empty() && word.size() % 2 == 0 && word.size() <= 2 * kLongestServerId;
    for (std::size_t i = 0; is_one && i < word.size(); i += 2) {
        const unsigned high = digit_of(word[i]);
        const unsigned low = digit_of(word[i + 1]);
        is_one = high < 16 && low < 16;
        id.push_back(static_cast<std::uint8_t>(high * 16 + low));
    }
    if (!is_one) {
        return refuse(fmt::format("\"{}\" is not a server id: 1 to {} octets in hexadecimal, such as 0a01",
                                  word, kLongestServerId));
    }
    return id;
}

std::string format_server_id(const ServerId& id) {
    std::string word;
    for (const std::uint8_t octet : id) {
        word += fmt::format("{:02x}", octet);
    }
    return word;
}

bool asks_for_quic(const Vip& vip) {
    return !vip.quic.configs.empty();
}

}  // namespace fwctl::policy
