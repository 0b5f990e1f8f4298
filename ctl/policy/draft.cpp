#include "policy/draft.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/rule.h"
#include "policy/vip_check.h"

namespace fwctl::policy {

namespace {

std::string set_hint(const std::string& name, const std::vector<Set>& sets) {
    std::vector<std::string_view> names;
    for (const Set& set : sets) {
        names.push_back(set.name);
    }
    if (const auto meant = nearest(name, names)) {
        return fmt::format("did you mean \"@{}\"?", *meant);
    }
    return fmt::format("define it: [set.{}]", name);
}

void report_unknown_sets(const Draft& draft) {
    std::unordered_set<std::string_view> known;
    for (const Set& set : draft.policy.sets) {
        known.insert(set.name);
    }
    for (const Mention& mention : draft.used_sets) {
        if (!known.contains(mention.word)) {
            draft.diagnostics.error(mention.place.file, mention.place.span,
                                    fmt::format("there is no set \"{}\"", mention.word),
                                    set_hint(mention.word, draft.policy.sets));
        }
    }
}

// Addresses cannot be put into a set that stands in a file.
void report_fixed_ban_sets(const Draft& draft) {
    for (const Mention& mention : draft.ban_sets) {
        const auto set = std::find_if(draft.policy.sets.begin(), draft.policy.sets.end(),
                                      [&](const Set& one) { return one.name == mention.word; });
        if (set != draft.policy.sets.end() && !set->dynamic) {
            draft.diagnostics.error(mention.place.file, mention.place.span,
                                    fmt::format("the set \"{}\" is not dynamic", mention.word),
                                    fmt::format("write dynamic = true in [set.{}]", mention.word));
        }
    }
}

bool is_attached(const std::vector<Attach>& attachments, const std::string& name) {
    return std::any_of(attachments.begin(), attachments.end(), [&](const Attach& attach) {
        return attach.name == name || interface_matches(attach.device, name);
    });
}

// A rule on an interface that nothing attaches holds nowhere: in a policy that names its attachments that is
// a slip of the pen. One that names none may hold where somebody attaches by hand.
void report_unknown_interfaces(const Draft& draft) {
    const std::vector<Attach>& attachments = draft.policy.attachments;
    if (attachments.empty()) {
        return;
    }
    std::vector<std::string_view> known;
    for (const Attach& attach : attachments) {
        known.push_back(attach.name);
    }
    for (const Rule& rule : draft.policy.rules) {
        for (const std::string& name : rule.on) {
            if (is_pattern(name) || is_attached(attachments, name)) {
                continue;
            }
            const auto meant = nearest(name, known);
            draft.diagnostics.warning(
                rule.place.file, rule.place.span,
                fmt::format("rule \"{}\" is on \"{}\", which the policy does not attach", rule.name, name),
                meant ? fmt::format("did you mean \"{}\"?", *meant)
                      : fmt::format("attach it: [attach.{}]", name));
        }
    }
}

}  // namespace

bool Draft::claim(std::string what, const Place& place, std::string message) {
    const auto [first, is_new] = claims.emplace(std::move(what), place);
    if (is_new) {
        return true;
    }
    report_second(first->second, place, std::move(message));
    return false;
}

void Draft::report_second(const Place& first, const Place& place, std::string message) const {
    message += first.file == place.file
                   ? fmt::format(", in line {}", first.span.line)
                   : fmt::format(", in {}:{}", diagnostics.file_name(first.file), first.span.line);
    diagnostics.error(place.file, place.span, std::move(message));
}

Policy finish(Draft draft) {
    Policy& policy = draft.policy;
    if (draft.origin == Origin::kFile) {
        report_unknown_sets(draft);
        report_fixed_ban_sets(draft);
        report_unknown_interfaces(draft);
    }
    if (!policy.routes.empty() && policy.defaults.forward != Forwarding::kTable) {
        const Place& place = policy.routes.front().place;
        draft.diagnostics.warning(place.file, place.span, "no packet takes a route of the policy",
                                  "write forward = \"table\" in [defaults]");
    }
    check_vips(draft);
    const auto by_name = [](const auto& one, const auto& other) { return one.name < other.name; };
    std::sort(policy.attachments.begin(), policy.attachments.end(), by_name);
    std::sort(policy.sets.begin(), policy.sets.end(), by_name);
    std::sort(policy.vips.begin(), policy.vips.end(), by_name);
    std::sort(policy.disabled_builtins.begin(), policy.disabled_builtins.end());
    for (std::size_t file = 0; file < draft.diagnostics.sources().size(); ++file) {
        policy.files.emplace_back(draft.diagnostics.file_name(file));
    }
    return std::move(policy);
}

}  // namespace fwctl::policy
