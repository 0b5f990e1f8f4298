#include "policy/analyze.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "policy/analyze_boxes.h"
#include "policy/analyze_ipv6.h"
#include "policy/analyze_judge.h"
#include "policy/analyze_names.h"
#include "policy/analyze_words.h"
#include "policy/builtin.h"

namespace fwctl::policy {

namespace {

using namespace analysis;

constexpr std::uint64_t kStepsForEasyRule = 20'000;
constexpr std::uint64_t kStepsForRule = 4'000'000;

std::vector<Rule> asked_builtin_rules(const Policy& policy) {
    std::vector<Rule> rules = builtin_rules();
    const auto& disabled = policy.disabled_builtins;
    rules.erase(std::remove_if(rules.begin(), rules.end(),
                               [&](const Rule& rule) {
                                   return judged_by_parser(rule) ||
                                          std::find(disabled.begin(), disabled.end(), rule.name) !=
                                              disabled.end();
                               }),
                rules.end());
    return rules;
}

class Analysis {
public:
    Analysis(const Policy& policy, std::vector<const Rule*> rules, std::uint64_t steps)
        : policy_(policy),
          names_(name_classes(rules, policy.attachments)),
          space_(names_ ? names_->count : 1),
          addresses_(policy, space_),
          translator_(names_, addresses_, space_),
          rules_(translated(rules)),
          work_(steps),
          judge_(rules_, policy.defaults, space_, work_) {}

    std::vector<Finding> run();

private:
    std::vector<AskedRule> translated(const std::vector<const Rule*>& rules);
    void judge_rule(std::size_t rule, std::uint64_t steps);
    void say_never(std::size_t rule, const std::set<std::size_t>& because);
    void say_nothing_changes(std::size_t rule, const std::set<std::size_t>& because);
    void say_unused_sets();
    void say_cut_short();
    void add(Finding::Kind kind, std::size_t rule, std::string message, const std::set<std::size_t>& others);

    const Policy& policy_;
    std::optional<NameClasses> names_;
    Space space_;
    AddressBook addresses_;
    Translator translator_;
    std::vector<AskedRule> rules_;
    Work work_;
    Judge judge_;
    std::vector<std::size_t> unjudged_;
    std::vector<Finding> findings_;
};

std::vector<AskedRule> Analysis::translated(const std::vector<const Rule*>& rules) {
    std::vector<AskedRule> result;
    result.reserve(rules.size());
    for (const Rule* rule : rules) {
        result.push_back({rule, translator_.boxes_of(*rule)});
    }
    return result;
}

std::vector<Finding> Analysis::run() {
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
        if (rules_[rule].rule->origin != Origin::kBuiltin) {
            unjudged_.push_back(rule);
        }
    }
    // A few hard rules shall not take the steps of many easy ones.
    for (const std::uint64_t steps : {kStepsForEasyRule, kStepsForRule}) {
        for (const std::size_t rule : std::exchange(unjudged_, {})) {
            judge_rule(rule, steps);
        }
    }
    for (Finding& finding : missing_ipv6(rules_, policy_, addresses_, translator_, space_)) {
        findings_.push_back(std::move(finding));
    }
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& one, const Finding& other) { return one.index < other.index; });
    say_unused_sets();
    say_cut_short();
    return std::move(findings_);
}

void Analysis::judge_rule(std::size_t rule, std::uint64_t steps) {
    const Judgement judgement =
        work_.is_used_up() ? Judgement{Judgement::Kind::kUnknown, {}} : judge_.judge(rule, steps);
    switch (judgement.kind) {
        case Judgement::Kind::kNeverMatches:
            say_never(rule, judgement.because);
            break;
        case Judgement::Kind::kChangesNothing:
            say_nothing_changes(rule, judgement.because);
            break;
        case Judgement::Kind::kUnknown:
            unjudged_.push_back(rule);
            break;
        case Judgement::Kind::kMatters:
            break;
    }
}

void Analysis::say_never(std::size_t rule, const std::set<std::size_t>& because) {
    const std::string& name = rules_[rule].rule->name;
    const std::size_t contradicted = judge_.contradicted(rule);
    if (contradicted != rule) {
        add(Finding::Kind::kContradicts, rule,
            fmt::format(
                "rule \"{}\" contradicts {} before it, which matches the same packets, and can never match",
                name, named(*rules_[contradicted].rule, policy_)),
            {contradicted});
    } else if (because.empty()) {
        add(Finding::Kind::kNeverMatches, rule,
            fmt::format("rule \"{}\" can never match: there is no such packet", name), because);
    } else {
        add(Finding::Kind::kNeverMatches, rule,
            fmt::format("rule \"{}\" can never match: {} before it {} it", name,
                        listed(because, rules_, policy_), because.size() == 1 ? "covers" : "cover"),
            because);
    }
}

void Analysis::say_nothing_changes(std::size_t rule, const std::set<std::size_t>& because) {
    const Rule& judged = *rules_[rule].rule;
    const bool default_agrees = !directions_by_default(judged, policy_.defaults, true).empty();
    std::string who = because.empty() ? "" : listed(because, rules_, policy_) + " behind it";
    if (default_agrees) {
        who = who.empty() ? "the default" : "the default and " + who;
    }
    const bool are_several = because.size() + (default_agrees ? 1 : 0) > 1;
    add(Finding::Kind::kChangesNothing, rule,
        fmt::format("rule \"{}\" changes nothing: {} {} all that it matches", judged.name, who,
                    verb(judged.action, are_several)),
        because);
}

void Analysis::say_unused_sets() {
    std::set<std::string> used;
    const auto collect = [&used](const Addresses& addresses) {
        used.insert(addresses.sets.begin(), addresses.sets.end());
        used.insert(addresses.except_sets.begin(), addresses.except_sets.end());
    };
    for (const AskedRule& asked : rules_) {
        collect(asked.rule->from);
        collect(asked.rule->to);
    }
    if (policy_.defaults.lockout) {
        collect(policy_.defaults.lockout->from);
    }
    for (std::size_t i = 0; i < policy_.sets.size(); ++i) {
        const Set& set = policy_.sets[i];
        if (used.count(set.name) == 0) {
            findings_.push_back({Finding::Kind::kUnusedSet,
                                 i,
                                 set.place,
                                 fmt::format("no rule uses the set \"{}\"", set.name),
                                 {}});
        }
    }
}

void Analysis::say_cut_short() {
    if (!unjudged_.empty()) {
        add(Finding::Kind::kCutShort, unjudged_.front(),
            fmt::format("the analysis was cut short: {} of {} rules could not be judged, {} first",
                        unjudged_.size(), policy_.rules.size(),
                        named(*rules_[unjudged_.front()].rule, policy_)),
            {});
    }
}

void Analysis::add(Finding::Kind kind, std::size_t rule, std::string message,
                   const std::set<std::size_t>& others) {
    findings_.push_back(
        {kind, rule, rules_[rule].rule->place, std::move(message), {others.begin(), others.end()}});
}

}  // namespace

std::vector<Finding> analyze(const Policy& policy, std::uint64_t steps) {
    const std::vector<Rule> builtin = asked_builtin_rules(policy);
    std::vector<const Rule*> rules;
    for (const auto* list : {&builtin, &policy.rules}) {
        for (const Rule& rule : *list) {
            rules.push_back(&rule);
        }
    }
    return Analysis(policy, std::move(rules), steps).run();
}

}  // namespace fwctl::policy
