#include "policy/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "policy/schema.h"
#include "policy/vip_difference.h"

namespace fwctl::policy {
namespace {

using Lines = std::vector<std::string>;

// The longest run of numbers that rise (C. Schensted, 1961): the rules that keep their places.
std::set<std::size_t> rising(const std::vector<std::size_t>& numbers) {
    std::vector<std::size_t> ends;  // index of the smallest last number of a run of each length
    std::vector<std::optional<std::size_t>> before(numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto place =
            std::lower_bound(ends.begin(), ends.end(), numbers[i],
                             [&](std::size_t end, std::size_t number) { return numbers[end] < number; });
        if (place != ends.begin()) before[i] = *std::prev(place);
        if (place == ends.end())
            ends.push_back(i);
        else
            *place = i;
    }
    std::set<std::size_t> kept;
    for (auto at = ends.empty() ? std::nullopt : std::optional(ends.back()); at; at = before[*at])
        kept.insert(numbers[*at]);
    return kept;
}

std::string describe_change(const Rule& before, const Rule& after) {
    const std::string was = describe(before);
    const std::string is = describe(after);
    return was == is ? fmt::format("{} (what is said about it changes)", is)
                     : fmt::format("{} -> {}", was, is);
}

void add_rules(const Policy& before, const Policy& after, Lines& lines) {
    std::map<std::string, std::size_t> was;
    for (std::size_t i = 0; i < before.rules.size(); ++i) was[before.rules[i].name] = i;
    std::map<std::string, std::size_t> is;
    for (std::size_t i = 0; i < after.rules.size(); ++i) is[after.rules[i].name] = i;
    for (const Rule& rule : before.rules)
        if (!is.contains(rule.name))
            lines.push_back(fmt::format("- rule \"{}\": {}", rule.name, describe(rule)));

    std::vector<std::size_t> places;  // before, in the order of after
    for (const Rule& rule : after.rules)
        if (const auto old = was.find(rule.name); old != was.end()) places.push_back(old->second);
    const std::set<std::size_t> kept = rising(places);
    for (std::size_t i = 0; i < after.rules.size(); ++i) {
        const Rule& rule = after.rules[i];
        const auto old = was.find(rule.name);
        if (old == was.end()) {
            lines.push_back(fmt::format("+ rule \"{}\": {}", rule.name, describe(rule)));
            continue;
        }
        if (!(before.rules[old->second] == rule))
            lines.push_back(fmt::format("~ rule \"{}\": {}", rule.name,
                                        describe_change(before.rules[old->second], rule)));
        if (!kept.contains(old->second))
            lines.push_back(
                i == 0 ? fmt::format("^ rule \"{}\": now the first", rule.name)
                       : fmt::format("^ rule \"{}\": now behind \"{}\"", rule.name, after.rules[i - 1].name));
    }
}

std::string count_elements(const Set& before, const Set& after) {
    std::size_t gone = 0;
    std::size_t fresh = 0;
    auto was = before.elements.begin();
    auto is = after.elements.begin();
    while (was != before.elements.end() || is != after.elements.end()) {
        if (is == after.elements.end() || (was != before.elements.end() && *was < *is)) {
            ++gone;
            ++was;
        } else if (was == before.elements.end() || *is < *was) {
            ++fresh;
            ++is;
        } else {
            ++was;
            ++is;
        }
    }
    return fmt::format("+{} -{}", fresh, gone);
}

std::string timeout_text(const Set& set) {
    return set.timeout.count() == 0 ? "for ever" : format_duration(set.timeout);
}

std::string describe_settings(const Set& before, const Set& after) {
    Lines parts;
    if (before.size != after.size) parts.push_back(fmt::format("size {} -> {}", before.size, after.size));
    if (before.timeout != after.timeout)
        parts.push_back(fmt::format("timeout {} -> {}", timeout_text(before), timeout_text(after)));
    return fmt::format("{}", fmt::join(parts, ", "));
}

// What becomes of the members of a set that goes, or is no longer filled live.
std::string describe_loss(const std::string& set, const std::map<std::string, std::size_t>& lost) {
    const auto found = lost.find(set);
    if (found == lost.end() || found->second == 0) return {};
    return found->second == 1 ? ", its member is lost"
                              : fmt::format(", its {} members are lost", found->second);
}

std::string describe_set(const Set& set) {
    return set.dynamic ? "filled live" : fmt::format("{} elements", set.elements.size());
}

std::string describe_set_change(const Set& before, const Set& after,
                                const std::map<std::string, std::size_t>& lost) {
    if (before.dynamic && after.dynamic) return describe_settings(before, after);
    const std::string count = count_elements(before, after);
    if (before.dynamic)
        return fmt::format("no longer filled live{}: {}", describe_loss(before.name, lost), count);
    return after.dynamic ? fmt::format("filled live from now on: {}", count) : count;
}

// What has a name and no order.
template <typename Entry>
void add_named(const std::string& kind, const std::vector<Entry>& before, const std::vector<Entry>& after,
               const std::function<std::string(const Entry&)>& tell,
               const std::function<std::string(const Entry&, const Entry&)>& tell_change, Lines& lines) {
    const auto find = [](const std::vector<Entry>& all, const std::string& name) {
        return std::find_if(all.begin(), all.end(), [&](const Entry& entry) { return entry.name == name; });
    };
    for (const Entry& entry : before)
        if (find(after, entry.name) == after.end())
            lines.push_back(fmt::format("- {} {}: {}", kind, entry.name, tell(entry)));
    for (const Entry& entry : after) {
        const auto old = find(before, entry.name);
        if (old == before.end())
            lines.push_back(fmt::format("+ {} {}: {}", kind, entry.name, tell(entry)));
        else if (!(*old == entry))
            lines.push_back(fmt::format("~ {} {}: {}", kind, entry.name, tell_change(*old, entry)));
    }
}

// Where elements are read from is no part of what a set says.
std::vector<Set> without_files(std::vector<Set> sets) {
    for (Set& set : sets) set.file.clear();
    return sets;
}

std::string describe_lockout(const Defaults& defaults) {
    return defaults.lockout ? "set" : "none";
}

void add_defaults(const Policy& before, const Policy& after, Lines& lines) {
    const auto add = [&](const char* key, std::string_view was, std::string_view is) {
        if (was != is) lines.push_back(fmt::format("~ defaults: {} {} -> {}", key, was, is));
    };
    const Defaults& was = before.defaults;
    const Defaults& is = after.defaults;
    add("in", action_name(was.in), action_name(is.in));
    add("out", action_name(was.out), action_name(is.out));
    if (was.lockout != is.lockout) {
        if (was.lockout && is.lockout)
            lines.push_back("~ defaults: lockout changes");
        else
            add("lockout", describe_lockout(was), describe_lockout(is));
    }
    add("tunnel", was.inner_tunnels ? "inner" : "outer", is.inner_tunnels ? "inner" : "outer");
    constexpr std::string_view kForward[] = {"stack", "table", "fib"};
    add("forward", kForward[static_cast<std::size_t>(was.forward)],
        kForward[static_cast<std::size_t>(is.forward)]);
}

void add_conntrack(const Policy& before, const Policy& after, Lines& lines) {
    for (const Key<Conntrack>& key : conntrack_keys()) {
        const auto was = key.words(before.conntrack);
        const auto is = key.words(after.conntrack);
        if (was == is) continue;
        const auto said = [](const std::vector<std::string>& words) {
            return words.empty() ? "as by default" : fmt::format("{}", fmt::join(words, ", "));
        };
        lines.push_back(fmt::format("~ conntrack: {} {} -> {}", key.name, said(was), said(is)));
    }
}

void add_builtins(const Policy& before, const Policy& after, Lines& lines) {
    Lines off;
    Lines on;
    std::set_difference(after.disabled_builtins.begin(), after.disabled_builtins.end(),
                        before.disabled_builtins.begin(), before.disabled_builtins.end(),
                        std::back_inserter(off));
    std::set_difference(before.disabled_builtins.begin(), before.disabled_builtins.end(),
                        after.disabled_builtins.begin(), after.disabled_builtins.end(),
                        std::back_inserter(on));
    for (const std::string& name : off)
        lines.push_back(fmt::format("- built-in rule {}: switched off", name));
    for (const std::string& name : on) lines.push_back(fmt::format("+ built-in rule {}: switched on", name));
}

std::string describe_route(const Route& route) {
    return fmt::format("{} via {}", format_prefix(route.prefix),
                       route.next_hop.via ? format_prefix(*route.next_hop.via) : route.next_hop.interface);
}

void add_routes(const Policy& before, const Policy& after, Lines& lines) {
    const auto has = [](const std::vector<Route>& all, const Route& route) {
        return std::find(all.begin(), all.end(), route) != all.end();
    };
    for (const Route& route : before.routes)
        if (!has(after.routes, route)) lines.push_back("- route " + describe_route(route));
    for (const Route& route : after.routes)
        if (!has(before.routes, route)) lines.push_back("+ route " + describe_route(route));
}

}  // namespace

std::vector<std::string> difference(const Policy& before, const Policy& after,
                                    const std::map<std::string, std::size_t>& lost) {
    Lines lines;
    add_defaults(before, after, lines);
    add_conntrack(before, after, lines);
    add_builtins(before, after, lines);
    add_named<Attach>(
        "attach", before.attachments, after.attachments, [](const Attach& attach) { return attach.device; },
        [](const Attach&, const Attach& is) { return fmt::format("{}, with other settings", is.device); },
        lines);
    add_named<Set>(
        "set", without_files(before.sets), without_files(after.sets),
        [&](const Set& set) { return describe_set(set) + describe_loss(set.name, lost); },
        [&](const Set& was, const Set& is) { return describe_set_change(was, is, lost); }, lines);
    add_routes(before, after, lines);
    add_rules(before, after, lines);
    add_vips(before, after, lines);
    add_decapsulate(before.decapsulate, after.decapsulate, lines);
    return lines;
}

}  // namespace fwctl::policy
