#include "analyze/analyze.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "analyze/boxes.h"
#include "analyze/ipv6.h"
#include "analyze/judge.h"
#include "analyze/names.h"
#include "analyze/words.h"
#include "policy/builtin.h"

namespace fwctl::analyze {

namespace {

constexpr std::uint64_t kStepsForRule[] = {2'000, 20'000, 1'000'000};

class Analysis {
public:
    Analysis(const Policy& policy, const std::vector<const Rule*>& rules, std::uint64_t steps)
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
    std::vector<std::size_t> find_never();
    void find_nothing(std::vector<std::size_t> rules);
    template <typename Ask>
    std::vector<std::size_t> by_steps(std::vector<std::size_t> rules, Ask ask);
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
    // Those of which it was not found out whether they never match, and whether they change nothing.
    std::vector<std::size_t> never_unknown_;
    std::vector<std::size_t> nothing_unknown_;
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
    std::vector<std::size_t> alive;
    for (const std::size_t rule : find_never()) {
        if (!policy::goes_on(rules_[rule].rule->action)) {
            alive.push_back(rule);
        }
    }
    find_nothing(std::move(alive));
    for (Finding& finding : missing_ipv6(rules_, policy_, addresses_, translator_, space_)) {
        findings_.push_back(std::move(finding));
    }
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& one, const Finding& other) { return one.index < other.index; });
    say_unused_sets();
    say_cut_short();
    return std::move(findings_);
}

// Gives the rules that can match.
std::vector<std::size_t> Analysis::find_never() {
    std::vector<std::size_t> rules;
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
        if (rules_[rule].rule->origin != Origin::kBuiltin) {
            rules.push_back(rule);
        }
    }
    std::vector<std::size_t> alive;
    never_unknown_ = by_steps(std::move(rules), [&](std::size_t rule, std::uint64_t steps) {
        std::set<std::size_t> because;
        const Answer answer = judge_.never_matches(rule, steps, because);
        if (answer == Answer::kYes) {
            say_never(rule, because);
        } else if (answer == Answer::kNo) {
            alive.push_back(rule);
        }
        return answer;
    });
    return alive;
}

void Analysis::find_nothing(std::vector<std::size_t> rules) {
    nothing_unknown_ = by_steps(std::move(rules), [&](std::size_t rule, std::uint64_t steps) {
        std::set<std::size_t> because;
        const Answer answer = judge_.changes_nothing(rule, steps, because);
        if (answer == Answer::kYes) {
            say_nothing_changes(rule, because);
        }
        return answer;
    });
}

// Asks of each rule, and gives those that remain unknown. A few hard rules shall not take the steps of many
// easy ones.
template <typename Ask>
std::vector<std::size_t> Analysis::by_steps(std::vector<std::size_t> rules, Ask ask) {
    for (const std::uint64_t steps : kStepsForRule) {
        std::vector<std::size_t> unknown;
        for (const std::size_t rule : rules) {
            if (work_.is_used_up() || ask(rule, steps) == Answer::kUnknown) {
                unknown.push_back(rule);
            }
        }
        rules = std::move(unknown);
    }
    return rules;
}

void Analysis::say_never(std::size_t rule, const std::set<std::size_t>& because) {
    std::string why = "there is no such packet";
    if (!because.empty()) {
        const Action action = rules_[*because.begin()].rule->action;
        const bool do_the_same = std::all_of(because.begin(), because.end(), [&](std::size_t other) {
            return rules_[other].rule->action == action;
        });
        const bool are_several = because.size() > 1;
        why = fmt::format("{} before it {} all that it matches", listed(because, rules_, policy_),
                          do_the_same ? verb(action, are_several) : "decide");
    }
    add(Finding::Kind::kNeverMatches, rule,
        fmt::format("rule \"{}\" can never match: {}", rules_[rule].rule->name, why), because);
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
    std::set<std::string> filled;
    for (const AskedRule& asked : rules_) {
        collect(asked.rule->from);
        collect(asked.rule->to);
        if (asked.rule->ban) {
            filled.insert(asked.rule->ban->set);
        }
    }
    if (policy_.defaults.lockout) {
        collect(policy_.defaults.lockout->from);
    }
    for (std::size_t i = 0; i < policy_.sets.size(); ++i) {
        const Set& set = policy_.sets[i];
        if (!used.contains(set.name)) {
            std::string said =
                filled.contains(set.name)
                    ? fmt::format("rules ban into the set \"{}\", and none asks for it", set.name)
                    : fmt::format("no rule uses the set \"{}\"", set.name);
            findings_.push_back({Finding::Kind::kUnusedSet, i, set.place, std::move(said), {}});
        }
    }
}

void Analysis::say_cut_short() {
    const auto say = [this](const std::vector<std::size_t>& rules, std::string_view question) {
        if (!rules.empty()) {
            add(Finding::Kind::kCutShort, rules.front(),
                fmt::format("too many rules overlap: it was not found out of {} of {} rules whether they {}",
                            rules.size(), policy_.rules.size(), question),
                {});
        }
    };
    say(never_unknown_, "can match");
    say(nothing_unknown_, "change anything");
}

void Analysis::add(Finding::Kind kind, std::size_t rule, std::string message,
                   const std::set<std::size_t>& others) {
    findings_.push_back(
        {kind, rule, rules_[rule].rule->place, std::move(message), {others.begin(), others.end()}});
}

// A service as a rule behind all others. What it balances fares as under no rule, so that none of those that
// meet it changes nothing; and as it is built in, nobody judges it.
Rule rule_of(const policy::Vip& vip) {
    Rule rule;
    rule.origin = Origin::kBuiltin;
    rule.action = Action::kRedirect;  // those of rules say where to
    rule.direction = Direction::kIn;
    rule.services = vip.services;
    rule.to.prefixes = vip.addresses;
    return rule;
}

}  // namespace

std::vector<Finding> analyze(const Policy& policy, std::uint64_t steps) {
    std::vector<Rule> asked = policy::effective_rules(policy, {});
    for (const policy::Vip& vip : policy.vips) {
        if (vip.enabled) {
            asked.push_back(rule_of(vip));
        }
    }
    std::vector<const Rule*> rules;
    for (const Rule& rule : asked) {
        if (!policy::judged_by_parser(rule)) {
            rules.push_back(&rule);
        }
    }
    return Analysis(policy, rules, steps).run();
}

}  // namespace fwctl::analyze
