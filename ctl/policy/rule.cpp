#include "policy/rule.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "policy/builtin.h"
#include "policy/prefix.h"
#include "policy/schema.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

bool pattern_covers(const std::string& outer, const std::string& inner) {
    const bool inner_is_one_name = inner.find_first_of("*?") == std::string::npos;
    return outer == "*" || outer == inner || (inner_is_one_name && interface_matches(outer, inner));
}

// Whether every entry of `inner` lies in one of `outer`.
template <typename Entry, typename Covers>
bool all_covered(const std::vector<Entry>& outer, const std::vector<Entry>& inner, Covers covers_entry) {
    return std::all_of(inner.begin(), inner.end(), [&](const Entry& wanted) {
        return std::any_of(outer.begin(), outer.end(),
                           [&](const Entry& held) { return covers_entry(held, wanted); });
    });
}

// The same for lists whose absence stands for everything.
template <typename Entry, typename Covers>
bool covers_list(const std::vector<Entry>& outer, const std::vector<Entry>& inner, Covers covers_entry) {
    return outer.empty() || (!inner.empty() && all_covered(outer, inner, covers_entry));
}

template <typename Entry, typename Covers>
void sort_and_reduce(std::vector<Entry>& entries, Covers covers_entry) {
    std::sort(entries.begin(), entries.end());
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    std::vector<Entry> kept;
    for (const Entry& entry : entries) {
        const bool covered = std::any_of(entries.begin(), entries.end(), [&](const Entry& other) {
            return other != entry && covers_entry(other, entry);
        });
        if (!covered) {
            kept.push_back(entry);
        }
    }
    entries = std::move(kept);
}

constexpr auto kCoversService = [](const Service& outer, const Service& inner) {
    return covers(outer, inner);
};
constexpr auto kCoversPrefix = [](const Prefix& outer, const Prefix& inner) { return covers(outer, inner); };

bool admits(const Addresses& addresses, Family family) {
    const bool is_narrowed = !addresses.prefixes.empty() && addresses.sets.empty();
    return !is_narrowed || std::any_of(addresses.prefixes.begin(), addresses.prefixes.end(),
                                       [family](const Prefix& prefix) { return prefix.family == family; });
}

bool admits(const std::vector<Service>& services, Family family) {
    return std::any_of(services.begin(), services.end(), [family](const Service& service) {
        return !service.family_bound || service.family == family;
    });
}

bool is_name_letter(char letter) {
    return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z') ||
           (letter >= '0' && letter <= '9') ||
           std::string_view(" .,_/:@-").find(letter) != std::string_view::npos;
}

// FNV-1a, 32 bits (Fowler, Noll, Vo): short and the same on every machine; nobody gains by a collision.
std::uint32_t hash(std::string_view text) {
    std::uint32_t value = 2166136261U;
    for (const char letter : text) {
        value = (value ^ static_cast<unsigned char>(letter)) * 16777619U;
    }
    return value;
}

}  // namespace

Rule canonical(Rule rule) {
    sort_and_reduce(rule.services, kCoversService);
    if (rule.services.empty()) {
        rule.services.emplace_back();
    }
    sort_and_reduce(rule.from.prefixes, kCoversPrefix);
    sort_and_reduce(rule.to.prefixes, kCoversPrefix);
    sort_and_reduce(rule.on, pattern_covers);
    if (rule.on == std::vector<std::string>{"*"}) {
        rule.on.clear();
    }
    return rule;
}

Status check_rule(const Rule& rule) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        if (admits(rule.services, family) && admits(rule.from, family) && admits(rule.to, family)) {
            return {};
        }
    }
    return fail("the rule can never match: its services and addresses are of different IP versions",
                Exit::kUsage);
}

Status check_name(std::string_view name) {
    const bool has_size = !name.empty() && name.size() <= kMaxNameLength;
    if (has_size && name.front() != ' ' && name.back() != ' ' &&
        std::all_of(name.begin(), name.end(), is_name_letter)) {
        return {};
    }
    return fail(
        fmt::format(
            "\"{}\" is not a rule's name: 1 to {} of A-Z a-z 0-9 . , _ / : @ - and blanks between them", name,
            kMaxNameLength),
        Exit::kUsage);
}

std::string default_name(const Rule& rule) {
    std::string whole(action_name(rule.action));
    for (const Service& service : rule.services) {
        whole += "-" + format_service(service);
    }
    for (const std::string_view key : {"from", "to", "on"}) {
        const auto words = find_rule_key(key)->words(rule);
        if (!words.empty()) {
            whole += fmt::format("-{}-{}", key, fmt::join(words, "-"));
        }
    }
    if (rule.direction != Direction::kBoth) {
        whole += fmt::format("-{}", direction_name(rule.direction));
    }

    std::string name;
    std::copy_if(whole.begin(), whole.end(), std::back_inserter(name), is_name_letter);
    if (name.size() == whole.size() && name.size() <= kMaxNameLength) {
        return name;
    }
    const std::string ending = fmt::format("-{:08x}", hash(whole));
    return name.substr(0, kMaxNameLength - ending.size()) + ending;
}

Status check_interface(std::string_view pattern) {
    const auto is_letter = [](char letter) {
        return letter > ' ' && letter <= '~' && letter != '/' && letter != ':';
    };
    if (!pattern.empty() && pattern.size() <= kMaxInterfaceNameLength && pattern != "." && pattern != ".." &&
        std::all_of(pattern.begin(), pattern.end(), is_letter)) {
        return {};
    }
    return fail(
        fmt::format("\"{}\" is not an interface's name or pattern (eth0, veth*), of at most {} letters",
                    pattern, kMaxInterfaceNameLength),
        Exit::kUsage);
}

bool interface_matches(std::string_view pattern, std::string_view name) {
    std::size_t in_pattern = 0;
    std::size_t in_name = 0;
    std::size_t star = std::string_view::npos;  // the last * passed
    std::size_t star_end = 0;                   // where in `name` what it stands for ends
    while (in_name < name.size()) {
        const char wanted = in_pattern < pattern.size() ? pattern[in_pattern] : '\0';
        if (wanted == '*') {
            star = in_pattern++;
            star_end = in_name;
        } else if (wanted == '?' || wanted == name[in_name]) {
            ++in_pattern;
            ++in_name;
        } else if (star != std::string_view::npos) {
            in_pattern = star + 1;
            in_name = ++star_end;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', in_pattern) == std::string_view::npos;
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view name) {
    return patterns.empty() || std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
               return interface_matches(pattern, name);
           });
}

bool same_match(const Rule& one, const Rule& other) {
    return one.services == other.services && one.from == other.from && one.to == other.to &&
           one.on == other.on && one.direction == other.direction;
}

bool covers(const Rule& outer, const Rule& inner) {
    if (judged_by_parser(outer) || judged_by_parser(inner)) {
        return false;
    }
    const bool outlives = outer.expires == 0 || (inner.expires != 0 && inner.expires <= outer.expires);
    const bool same_way = outer.direction == Direction::kBoth || outer.direction == inner.direction;
    return outlives && same_way && all_covered(outer.services, inner.services, kCoversService) &&
           covers_list(outer.from.prefixes, inner.from.prefixes, kCoversPrefix) &&
           covers_list(outer.to.prefixes, inner.to.prefixes, kCoversPrefix) &&
           covers_list(outer.on, inner.on, pattern_covers);
}

}  // namespace fwctl::policy
