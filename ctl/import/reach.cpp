#include "import/reach.h"

#include <vector>

namespace fwctl::importer {

namespace {

Reach either(Reach one, Reach other) {
    return {one.allows || other.allows, one.denies || other.denies};
}

// Of the rule itself, not of the chains that it asks.
Reach own_reach(const SourceRule& rule, bool is_in_base, Verdict policy) {
    const Reach by_policy{policy != Verdict::kDrop, policy == Verdict::kDrop};
    switch (rule.verdict) {
        case Verdict::kAccept:
            return {true, false};
        case Verdict::kDrop:
        case Verdict::kReject:
            return {false, true};
        case Verdict::kElsewhere:
            return {true, true};
        case Verdict::kReturn:
            return is_in_base ? by_policy : Reach{};
        case Verdict::kGoto:
            return by_policy;
        case Verdict::kNone:
        case Verdict::kJump:
            break;
    }
    return {};
}

}  // namespace

Reach reach_of(const Ruleset& ruleset, const SourceRule& rule, bool is_in_base, Verdict policy) {
    Reach reach = own_reach(rule, is_in_base, policy);
    std::set<std::string> asked;
    add_asked(ruleset, rule, asked);
    for (const std::string& key : asked) {
        for (const SourceRule& next : ruleset.chains.at(key).rules) {
            reach = either(reach, own_reach(next, false, policy));
        }
    }
    return reach;
}

void add_asked(const Ruleset& ruleset, const SourceRule& rule, std::set<std::string>& asked) {
    std::vector<std::string> open = {rule.target};
    while (!open.empty()) {
        const auto chain = ruleset.chains.find(open.back());
        open.pop_back();
        if (chain == ruleset.chains.end() || !asked.insert(chain->first).second) {
            continue;
        }
        for (const SourceRule& next : chain->second.rules) {
            if (!next.target.empty()) {
                open.push_back(next.target);
            }
        }
    }
}

}  // namespace fwctl::importer
