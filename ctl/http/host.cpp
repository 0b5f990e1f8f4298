#include "http/host.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/text.h"

namespace fwctl::http {
namespace {

constexpr std::size_t kLongestName = 253;

// Without the port; nullopt: it is none.
std::optional<std::string> name_of(std::string_view host) {
    std::size_t end = host.find(':');
    std::string_view name = host.substr(0, end);
    if (!host.empty() && host.front() == '[') {
        const std::size_t close = host.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        name = host.substr(1, close - 1);
        end = close + 1 == host.size() ? std::string_view::npos : close + 1;
    }
    if (end == std::string_view::npos) return std::string(name);
    if (host[end] != ':' || !is_digits(host.substr(end + 1))) return std::nullopt;
    return std::string(name);
}

bool is_same_address(const std::string& one, const std::string& other) {
    for (const int family : {AF_INET, AF_INET6}) {
        in6_addr first{};
        in6_addr second{};
        if (inet_pton(family, one.c_str(), &first) == 1 && inet_pton(family, other.c_str(), &second) == 1)
            return std::memcmp(&first, &second, sizeof(first)) == 0;
    }
    return false;
}

}  // namespace

bool is_own_host(std::string_view host, std::string_view own, std::span<const std::string> names) {
    const auto named = name_of(host);
    if (!named) return false;
    const std::string name = lower_case(*named);
    if (name == "localhost" || is_same_address(name, std::string(own))) return true;
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& one) { return lower_case(one) == name; });
}

bool is_host_name(std::string_view name) {
    const auto fits = [](unsigned char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9') || letter == '.' || letter == '-';
    };
    return !name.empty() && name.size() <= kLongestName && std::all_of(name.begin(), name.end(), fits);
}

}  // namespace fwctl::http
