#include "import/rule_names.h"

#include <algorithm>

#include <fmt/format.h>

#include "policy/builtin.h"
#include "policy/rule.h"

namespace fwctl::importer {

namespace {

// Leaves room for a number behind.
constexpr std::size_t kMaxChain = 40;

std::string valid_part(std::string_view chain) {
    std::string part(chain.substr(0, kMaxChain));
    for (char& letter : part) {
        const std::string around{'x', letter, 'x'};
        letter = policy::check_name(around) ? letter : '-';
    }
    return part.empty() || part.front() == ' ' ? "chain" + part : part;
}

}  // namespace

RuleNames::RuleNames() {
    for (const policy::Rule& rule : policy::builtin_rules()) {
        taken_.insert(rule.name);
    }
}

std::string RuleNames::take(std::string_view wanted, std::string_view chain, std::string_view what) {
    if (policy::check_name(wanted) && taken_.insert(std::string(wanted)).second) {
        return std::string(wanted);
    }
    const std::string plain = fmt::format("{} {}", valid_part(chain), what);
    std::string name = plain;
    while (!taken_.insert(name).second) {
        int& number = last_number_.try_emplace(plain, 1).first->second;
        name = fmt::format("{}/{}", plain, ++number);
    }
    return name;
}

}  // namespace fwctl::importer
