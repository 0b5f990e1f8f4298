#include "import/set_names.h"

#include <fmt/format.h>

#include "base/text.h"

namespace fwctl::importer {

namespace {

constexpr std::size_t kMaxName = 63;

}  // namespace

Result<std::string> SetNames::take(std::string_view original) {
    std::string name = lower_case(original);
    for (char& letter : name) {
        const bool is_valid = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
                              letter == '_' || letter == '-';
        letter = is_valid ? letter : '-';
    }
    if (name.empty() || name.size() > kMaxName) {
        return fail(fmt::format("`{}` cannot be the name of a set, which has at most {} letters", original,
                                kMaxName));
    }
    const auto [known, is_new] = originals_.emplace(name, original);
    if (!is_new && known->second != original) {
        return fail(fmt::format("`{}` and `{}` would both be the set {}", known->second, original, name));
    }
    return name;
}

}  // namespace fwctl::importer
