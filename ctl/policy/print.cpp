#include "policy/print.h"

#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "policy/builtin.h"
#include "policy/schema.h"

namespace fwctl::policy {

namespace {

// A TOML basic string. Nothing that a rule can say has control characters.
std::string quote(std::string_view word) {
    std::string out = "\"";
    for (const char letter : word) {
        if (letter == '"' || letter == '\\') {
            out += '\\';
        }
        out += letter;
    }
    return out + "\"";
}

std::string format_value(const std::vector<std::string>& words) {
    if (words.size() == 1) {
        return quote(words.front());
    }
    std::vector<std::string> quoted;
    quoted.reserve(words.size());
    for (const std::string& word : words) {
        quoted.push_back(quote(word));
    }
    return fmt::format("[{}]", fmt::join(quoted, ", "));
}

std::string clause(std::string_view key, const Rule& rule) {
    const auto words = find_rule_key(key)->words(rule);
    return words.empty() ? "" : fmt::format(" {} {}", key, fmt::join(words, ", "));
}

}  // namespace

std::string print_policy(const Policy& policy) {
    std::string out = "version = 1\n";
    for (const Rule& rule : policy.rules) {
        out += "\n[[rule]]\n";
        for (const RuleKey& key : rule_keys()) {
            const auto words = key.words(rule);
            if (!words.empty()) {
                out += fmt::format("{} = {}\n", key.name, format_value(words));
            }
        }
    }
    return out;
}

std::string describe(const Rule& rule) {
    std::string out(action_name(rule.action));
    if (const auto refused = judged_by_parser(rule)) {
        return fmt::format("{} {}", out, *refused);
    }
    const auto services = find_rule_key("service")->words(rule);
    out += services.empty() ? " any" : fmt::format(" {}", fmt::join(services, ", "));
    for (const std::string_view key : {"from", "to", "on"}) {
        out += clause(key, rule);
    }
    if (rule.direction != Direction::kBoth) {
        out += fmt::format(" {}", direction_name(rule.direction));
    }
    return out;
}

}  // namespace fwctl::policy
