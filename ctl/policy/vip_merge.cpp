#include "policy/vip_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "policy/addresses.h"
#include "policy/quic.h"
#include "policy/schema.h"
#include "policy/vip.h"

namespace fwctl::policy {
namespace {

template <typename Entry>
std::set<std::string> names_of(const std::vector<Entry>& before, const std::vector<Entry>& live,
                               const std::vector<Entry>& after) {
    std::set<std::string> names;
    for (const auto* all : {&before, &live, &after})
        for (const Entry& entry : *all) names.insert(entry.name);
    return names;
}

// Of one thing in three versions the one that holds; what became of its live edit goes to `merged`.
template <typename Thing>
const Thing& choose(const Thing& before, const Thing& live, const Thing& after, VipEdit edit,
                    MergedVips& merged) {
    if (live == before) return after;
    if (live == after) {
        merged.absorbed.push_back(std::move(edit));
        return after;
    }
    if (after == before) {
        merged.kept.push_back(std::move(edit));
        return live;
    }
    merged.overruled.push_back(std::move(edit));
    return after;
}

// The same of what may be missing in any of the versions; nullptr is that it is missing.
template <typename Entry>
bool is_same(const Entry* one, const Entry* other) {
    return one == other || (one != nullptr && other != nullptr && *one == *other);
}

template <typename Entry>
const Entry* choose_presence(const Entry* before, const Entry* live, const Entry* after, VipEdit edit,
                             MergedVips& merged) {
    edit.what = live == nullptr ? "removed" : before == nullptr ? "added" : "changed";
    if (is_same(live, before)) return after;
    const bool absorbed = is_same(live, after);
    const bool kept = !absorbed && is_same(after, before);
    (absorbed ? merged.absorbed : kept ? merged.kept : merged.overruled).push_back(std::move(edit));
    return kept ? live : after;
}

Backend merge(const std::string& vip, const Backend& before, const Backend& live, const Backend& after,
              MergedVips& merged) {
    const auto edit = [&](std::string what) { return VipEdit{vip, live.name, std::move(what)}; };
    Backend result = after;
    result.addresses =
        choose(before.addresses, live.addresses, after.addresses,
               edit(fmt::format("address {}", fmt::join(prefix_words(live.addresses), ", "))), merged);
    result.weight =
        choose(before.weight, live.weight, after.weight, edit(fmt::format("weight {}", live.weight)), merged);
    result.port = choose(before.port, live.port, after.port, edit(fmt::format("port {}", live.port)), merged);
    result.state = choose(before.state, live.state, after.state,
                          edit(fmt::format("state {}", state_name(live.state))), merged);
    return result;
}

// All that an edit by itself is not told of.
Vip settings_of(Vip vip) {
    vip.enabled = true;
    vip.backends.clear();
    return vip;
}

Vip merge(const Vip& before, const Vip& live, const Vip& after, MergedVips& merged) {
    Vip result = choose(settings_of(before), settings_of(live), settings_of(after),
                        VipEdit{live.name, {}, "settings"}, merged);
    result.enabled = choose(before.enabled, live.enabled, after.enabled,
                            VipEdit{live.name, {}, live.enabled ? "enabled" : "disabled"}, merged);
    for (const std::string& name : names_of(before.backends, live.backends, after.backends)) {
        const Backend* of_before = find_named(before.backends, name);
        const Backend* of_live = find_named(live.backends, name);
        const Backend* of_after = find_named(after.backends, name);
        if (of_before != nullptr && of_live != nullptr && of_after != nullptr)
            result.backends.push_back(merge(live.name, *of_before, *of_live, *of_after, merged));
        else if (const Backend* chosen =
                     choose_presence(of_before, of_live, of_after, {live.name, name, {}}, merged))
            result.backends.push_back(*chosen);
    }
    // Settings of a vip that was made anew live ask for no connection ids: nobody needs a server id then.
    if (!asks_for_quic(result))
        for (Backend& backend : result.backends) backend.server_ids.clear();
    return result;
}

}  // namespace

std::string VipEdit::text() const {
    return fmt::format("{}{}{}: {}", vip, backend.empty() ? "" : "/", backend, what);
}

std::vector<std::string> texts_of(const std::vector<VipEdit>& edits) {
    std::vector<std::string> texts;
    for (const VipEdit& edit : edits) texts.push_back(edit.text());
    return texts;
}

MergedVips merge_vips(const std::vector<Vip>& before, const std::vector<Vip>& live,
                      const std::vector<Vip>& after) {
    MergedVips merged;
    for (const std::string& name : names_of(before, live, after)) {
        const Vip* of_before = find_named(before, name);
        const Vip* of_live = find_named(live, name);
        const Vip* of_after = find_named(after, name);
        if (of_before != nullptr && of_live != nullptr && of_after != nullptr)
            merged.vips.push_back(merge(*of_before, *of_live, *of_after, merged));
        else if (const Vip* chosen = choose_presence(of_before, of_live, of_after, {name, {}, {}}, merged))
            merged.vips.push_back(*chosen);
    }
    return merged;
}

}  // namespace fwctl::policy
