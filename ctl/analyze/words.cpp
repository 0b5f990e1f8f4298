#include "analyze/words.h"

#include <utility>

#include <fmt/format.h>

namespace fwctl::analyze {

std::string_view verb(Action action, bool of_several) {
    switch (action) {
        case Action::kAllow:
            return of_several ? "allow" : "allows";
        case Action::kDeny:
            return of_several ? "deny" : "denies";
        case Action::kReject:
            return of_several ? "reject" : "rejects";
        case Action::kRedirect:
            return of_several ? "redirect" : "redirects";
        case Action::kSynproxy:
            return of_several ? "proxy" : "proxies";
        case Action::kCount:
            return of_several ? "count" : "counts";
        case Action::kLog:
            break;
    }
    return of_several ? "log" : "logs";
}

std::string named(const Rule& rule, const Policy& policy) {
    if (rule.origin == Origin::kBuiltin) {
        return fmt::format("the built-in rule \"{}\"", rule.name);
    }
    if (rule.origin != Origin::kFile || rule.place.file >= policy.files.size()) {
        return fmt::format("\"{}\"", rule.name);
    }
    return fmt::format("\"{}\" ({}:{})", rule.name, policy.files[rule.place.file], rule.place.span.line);
}

std::string listed(const std::set<std::size_t>& chosen, const std::vector<AskedRule>& rules,
                   const Policy& policy) {
    constexpr std::size_t kShown = 4;
    std::vector<std::string> names;
    for (const std::size_t rule : chosen) {
        if (names.size() + 1 == kShown && chosen.size() > kShown) {
            names.push_back(fmt::format("{} others", chosen.size() - names.size()));
            break;
        }
        names.push_back(named(*rules[rule].rule, policy));
    }
    const std::string last = std::move(names.back());
    names.pop_back();
    return names.empty() ? last : fmt::format("{} and {}", fmt::join(names, ", "), last);
}

}  // namespace fwctl::analyze
