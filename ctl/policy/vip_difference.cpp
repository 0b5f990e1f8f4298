#include "policy/vip_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "policy/print.h"
#include "policy/schema.h"
#include "policy/vip.h"

namespace fwctl::policy {
namespace {

using Lines = std::vector<std::string>;

// What the absence of a key stands for.
struct Absent {
    std::string_view key;
    std::string_view word;
};
constexpr std::array kAbsent = {
    Absent{"affinity", "flow"},      Absent{"ring", "by backends"}, Absent{"transition", "10m"},
    Absent{"new_entries", "100000"}, Absent{"gue_port", "6080"},    Absent{"enabled", "true"},
    Absent{"down", "move"},          Absent{"panic", "0"},          Absent{"slow_start", "none"},
    Absent{"weight", "1"},           Absent{"state", "ready"},      Absent{"fallback", "false"},
    Absent{"from", "none"},          Absent{"port", "as it came"},  Absent{"server_id", "none"},
    Absent{"announce", "nowhere"},
};

template <typename Target>
std::string said(const Key<Target>& key, const Target& target) {
    const auto words = key.words(target);
    if (!words.empty()) return fmt::format("{}", fmt::join(words, ", "));
    const auto* row = std::find_if(kAbsent.begin(), kAbsent.end(),
                                   [&](const Absent& absent) { return absent.key == key.name; });
    return row == kAbsent.end() ? "as by default" : std::string(row->word);
}

// "weight 1 -> 2", for each key but inline tables that says something else.
template <typename Target>
Lines changes(std::span<const Key<Target>> keys, const Target& before, const Target& after) {
    Lines parts;
    for (const Key<Target>& key : keys)
        if (key.kind != ValueKind::kTable && key.words(before) != key.words(after))
            parts.push_back(fmt::format("{} {} -> {}", key.name, said(key, before), said(key, after)));
    return parts;
}

void add_changes(const Vip& before, const Vip& after, Lines& lines) {
    const auto add = [&](std::string_view change) {
        lines.push_back(fmt::format("~ vip {}: {}", after.name, change));
    };
    for (const std::string& part : changes(vip_keys(), before, after)) add(part);
    for (const Key<Vip>& key : vip_keys()) {
        if (key.kind != ValueKind::kTable) continue;
        const std::string old = print_inline(key.keys(), before), young = print_inline(key.keys(), after);
        if (old != young) add(fmt::format("{} {} -> {}", key.name, old, young));
    }
    for (const Backend& backend : before.backends)
        if (find_named(after.backends, backend.name) == nullptr)
            add(fmt::format("- backend {}: {}", backend.name, describe(backend)));
    for (const Backend& backend : after.backends) {
        const Backend* old = find_named(before.backends, backend.name);
        if (old == nullptr)
            add(fmt::format("+ backend {}: {}", backend.name, describe(backend)));
        else if (!(*old == backend))
            add(fmt::format("backend {} {}", backend.name,
                            fmt::join(changes(backend_keys(), *old, backend), ", ")));
    }
}

}  // namespace

void add_vips(const Policy& before, const Policy& after, std::vector<std::string>& lines) {
    for (const Vip& vip : before.vips)
        if (find_named(after.vips, vip.name) == nullptr)
            lines.push_back(fmt::format("- vip {}: {}", vip.name, describe(vip)));
    for (const Vip& vip : after.vips) {
        const Vip* old = find_named(before.vips, vip.name);
        if (old == nullptr)
            lines.push_back(fmt::format("+ vip {}: {}", vip.name, describe(vip)));
        else if (!(*old == vip))
            add_changes(*old, vip, lines);
    }
}

void add_decapsulate(const Decapsulate& before, const Decapsulate& after, std::vector<std::string>& lines) {
    for (const std::string& part : changes(decapsulate_keys(), before, after))
        lines.push_back("~ decapsulate: " + part);
}

}  // namespace fwctl::policy
