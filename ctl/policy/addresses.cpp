#include "policy/addresses.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "policy/prefix.h"
#include "policy/prefix_list.h"

namespace fwctl::policy {

namespace {

constexpr std::size_t kMaxSetNameLength = 63;

Status append_range_word(std::vector<Prefix>& prefixes, std::string_view word, std::size_t dash) {
    const auto first = parse_prefix(word.substr(0, dash));
    const auto last = parse_prefix(word.substr(dash + 1));
    if (!first || !last) {
        return tl::unexpected<Error>(first ? last.error() : first.error());
    }
    if (first->family != last->family) {
        return refuse(fmt::format("the range \"{}\" begins and ends in different IP versions", word));
    }
    if (first->length != address_bits(first->family) || last->length != address_bits(last->family)) {
        return refuse(
            fmt::format("the range \"{}\" goes from an address to an address, without lengths", word));
    }
    if (*last < *first) {
        return refuse(fmt::format("the range \"{}\" runs backwards; did you mean \"{}-{}\"?", word,
                                  format_prefix(*last), format_prefix(*first)));
    }
    append_range(*first, *last, prefixes);
    return {};
}

void sort_names(std::vector<std::string>& names) {
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
}

bool has_name(const std::vector<std::string>& sorted, const std::string& name) {
    return std::binary_search(sorted.begin(), sorted.end(), name);
}

bool has_positive(const Addresses& addresses) {
    return !addresses.prefixes.empty() || !addresses.sets.empty();
}

// Whether `inner` names nothing but what `outer` names too, negation aside.
bool positive_covers(const Addresses& outer, const Addresses& inner) {
    return !has_positive(outer) ||
           (has_positive(inner) &&
            std::all_of(inner.prefixes.begin(), inner.prefixes.end(),
                        [&](const Prefix& prefix) { return is_covered(outer.prefixes, prefix); }) &&
            std::all_of(inner.sets.begin(), inner.sets.end(),
                        [&](const std::string& name) { return has_name(outer.sets, name); }));
}

// Whether `inner` matches nothing in the block.
bool leaves_out(const Addresses& inner, const Prefix& block) {
    const bool is_apart =
        has_positive(inner) && inner.sets.empty() &&
        std::none_of(inner.prefixes.begin(), inner.prefixes.end(),
                     [&](const Prefix& prefix) { return covers(prefix, block) || covers(block, prefix); });
    return is_apart || is_covered(inner.except, block);
}

}  // namespace

Status check_set_name(std::string_view name) {
    const auto is_letter = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_' ||
               letter == '-';
    };
    if (!name.empty() && name.size() <= kMaxSetNameLength &&
        std::all_of(name.begin(), name.end(), is_letter)) {
        return {};
    }
    return refuse(fmt::format("\"{}\" is not a set's name: 1 to {} of a-z 0-9 _ -", name, kMaxSetNameLength));
}

Status append_prefixes(std::vector<Prefix>& prefixes, std::string_view word) {
    const std::size_t dash = word.find('-');
    if (dash != std::string_view::npos) {
        return append_range_word(prefixes, word, dash);
    }
    return parse_prefix(word).map([&](const Prefix& prefix) { prefixes.push_back(prefix); });
}

Status add_address(Addresses& addresses, std::string_view word) {
    const bool is_negated = word.substr(0, 1) == "!";
    word.remove_prefix(is_negated ? 1 : 0);
    if (word.substr(0, 1) == "@") {
        word.remove_prefix(1);
        (is_negated ? addresses.except_sets : addresses.sets).emplace_back(word);
        return check_set_name(word);
    }
    return append_prefixes(is_negated ? addresses.except : addresses.prefixes, word);
}

std::vector<std::string> prefix_words(const std::vector<Prefix>& prefixes) {
    std::vector<std::string> words;
    words.reserve(prefixes.size());
    for (const Prefix& prefix : prefixes) {
        words.push_back(format_prefix(prefix));
    }
    return words;
}

std::vector<std::string> address_words(const Addresses& addresses) {
    std::vector<std::string> words = prefix_words(addresses.prefixes);
    for (const std::string& name : addresses.sets) {
        words.push_back("@" + name);
    }
    for (const Prefix& prefix : addresses.except) {
        words.push_back("!" + format_prefix(prefix));
    }
    for (const std::string& name : addresses.except_sets) {
        words.push_back("!@" + name);
    }
    return words;
}

void reduce(Addresses& addresses) {
    reduce(addresses.prefixes);
    sort_names(addresses.sets);
    reduce(addresses.except);
    sort_names(addresses.except_sets);
}

bool admits(const Addresses& addresses, Family family) {
    if (is_covered(addresses.except, Prefix{family, 0, {}})) {
        return false;
    }
    const auto is_left = [&](const Prefix& prefix) {
        return prefix.family == family && !is_covered(addresses.except, prefix);
    };
    const auto is_left_set = [&](const std::string& name) { return !has_name(addresses.except_sets, name); };
    return !has_positive(addresses) ||
           std::any_of(addresses.prefixes.begin(), addresses.prefixes.end(), is_left) ||
           std::any_of(addresses.sets.begin(), addresses.sets.end(), is_left_set);
}

bool covers(const Addresses& outer, const Addresses& inner) {
    if (outer.empty() || inner.empty()) {
        return outer.empty();  // what is not IP matches empty Addresses alone
    }
    return positive_covers(outer, inner) &&
           std::all_of(outer.except.begin(), outer.except.end(),
                       [&](const Prefix& block) { return leaves_out(inner, block); }) &&
           std::all_of(outer.except_sets.begin(), outer.except_sets.end(),
                       [&](const std::string& name) { return has_name(inner.except_sets, name); });
}

}  // namespace fwctl::policy
