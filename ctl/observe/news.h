// What has happened and is worth telling: a sentence, and what programs may want to know of it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fwctl::observe {

enum class Priority : std::uint8_t { kWarning = 4, kNotice = 5, kInfo = 6 };

struct News {
    Priority priority = Priority::kInfo;
    std::string event;  // "ban"
    std::string text;
    std::vector<std::pair<std::string, std::string>> fields;  // {"SET", "banned"}: FWCTL_SET
    bool operator==(const News&) const = default;
};

}  // namespace fwctl::observe
