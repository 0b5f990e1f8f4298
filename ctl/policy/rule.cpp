#include "policy/rule.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "policy/addresses.h"
#include "policy/builtin.h"
#include "policy/check.h"
#include "policy/field.h"
#include "policy/rate.h"
#include "policy/schema.h"
#include "policy/service.h"

namespace fwctl::policy {

namespace {

bool pattern_covers(const std::string& outer, const std::string& inner) {
    return outer == "*" || outer == inner || (!is_pattern(inner) && interface_matches(outer, inner));
}

// Whether every entry of `inner` lies in one of `outer`.
template <typename Entry, typename Covers>
bool all_covered(const std::vector<Entry>& outer, const std::vector<Entry>& inner, Covers covers_entry) {
    return std::all_of(inner.begin(), inner.end(), [&](const Entry& wanted) {
        return std::any_of(outer.begin(), outer.end(),
                           [&](const Entry& held) { return covers_entry(held, wanted); });
    });
}

void reduce(std::vector<std::string>& patterns) {
    std::sort(patterns.begin(), patterns.end());
    patterns.erase(std::unique(patterns.begin(), patterns.end()), patterns.end());
    std::vector<std::string> wild;
    std::copy_if(patterns.begin(), patterns.end(), std::back_inserter(wild), is_pattern);
    const auto is_in_another = [&](const std::string& inner) {
        return std::any_of(wild.begin(), wild.end(), [&](const std::string& outer) {
            return outer != inner && pattern_covers(outer, inner);
        });
    };
    patterns.erase(std::remove_if(patterns.begin(), patterns.end(), is_in_another), patterns.end());
}

bool covers_fields(const std::vector<FieldMatch>& outer, const std::vector<FieldMatch>& inner) {
    return std::all_of(outer.begin(), outer.end(), [&](const FieldMatch& asked) {
        return std::any_of(inner.begin(), inner.end(), [&](const FieldMatch& held) {
            return held.field == asked.field &&
                   all_covered(asked.any_of, held.any_of,
                               [](const Interval& one, const Interval& other) { return covers(one, other); });
        });
    });
}

constexpr auto kCoversService = [](const Service& outer, const Service& inner) {
    return covers(outer, inner);
};

// Whether rates are asked of the same, whatever their numbers are.
bool same_buckets(const std::optional<Rate>& one, const std::optional<Rate>& other) {
    const auto key = [](const Rate& rate) {
        return std::tie(rate.over, rate.bytes, rate.per, rate.ipv4_bits, rate.ipv6_bits);
    };
    return one && other ? key(*one) == key(*other) : !one && !other;
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
    reduce(rule.services);
    if (rule.services.empty()) {
        rule.services.emplace_back();
    }
    reduce(rule.from);
    reduce(rule.to);
    for (FieldMatch& match : rule.fields) {
        match.any_of = canonical_intervals(std::move(match.any_of));
    }
    std::sort(rule.fields.begin(), rule.fields.end());
    reduce(rule.on);
    if (rule.on == std::vector<std::string>{"*"}) {
        rule.on.clear();
    }
    const bool is_for_ingress = rule.action == Action::kRedirect || rule.rate || rule.ban || asks_state(rule);
    if (is_for_ingress && rule.direction == Direction::kBoth) {
        rule.direction = Direction::kIn;
    }
    return rule;
}

bool asks_state(const Rule& rule) {
    return rule.action == Action::kSynproxy ||
           std::any_of(rule.fields.begin(), rule.fields.end(),
                       [](const FieldMatch& match) { return match.field == Field::kState; });
}

bool rewrites(const Rule& rule) {
    return rule.action == Action::kReject || rule.action == Action::kRedirect ||
           rule.action == Action::kSynproxy;
}

Status check_rule(const Rule& rule) {
    auto contradiction = find_contradiction(rule);
    return contradiction ? fail(std::move(contradiction->message), Exit::kUsage) : Status{};
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
    const bool is_limit = rule.rate && rule.rate->over && rule.action == Action::kDeny;
    std::string whole(is_limit ? "limit" : action_name(rule.action));
    for (const Service& service : rule.services) {
        whole += "-" + format_service(service);
    }
    for (const std::string_view key : clause_keys()) {
        const auto words = find_rule_key(key)->words(rule);
        if (!words.empty()) {
            whole += fmt::format("-{}-{}", key, fmt::join(words, "-"));
        }
    }
    // A rate's numbers may change, and the name shall stay; its direction is hardly ever another.
    if (rule.rate && !is_limit) {
        whole += rule.rate->over ? "-over" : "-under";
    }
    if (rule.rate && rule.rate->per != RatePer::kRule) {
        const std::string words = format_rate(*rule.rate);
        whole += "-" + words.substr(words.find("per "));
        std::replace(whole.begin(), whole.end(), ' ', '-');
    }
    const Direction usual = rule.rate ? Direction::kIn : Direction::kBoth;
    if (rule.direction != usual) {
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

bool is_pattern(std::string_view name) {
    return name.find_first_of("*?") != std::string_view::npos;
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
    const auto match = [](const Rule& rule) {
        return std::tie(rule.services, rule.from, rule.to, rule.fields, rule.on, rule.direction);
    };
    return match(one) == match(other) && same_buckets(one.rate, other.rate);
}

bool covers(const Rule& outer, const Rule& inner) {
    if (judged_by_parser(outer) || judged_by_parser(inner) || outer.rate) {
        return false;
    }
    const bool outlives = outer.expires == 0 || (inner.expires != 0 && inner.expires <= outer.expires);
    const bool same_way = outer.direction == Direction::kBoth || outer.direction == inner.direction;
    const bool same_place =
        outer.on.empty() || (!inner.on.empty() && all_covered(outer.on, inner.on, pattern_covers));
    return outlives && same_way && same_place && covers(outer.from, inner.from) &&
           covers(outer.to, inner.to) && covers_fields(outer.fields, inner.fields) &&
           all_covered(outer.services, inner.services, kCoversService);
}

}  // namespace fwctl::policy
