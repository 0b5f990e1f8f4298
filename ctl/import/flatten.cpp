#include "import/flatten.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "import/conditions.h"
#include "import/printable.h"
#include "import/reach.h"
#include "import/rule_names.h"
#include "import/rule_of.h"
#include "policy/rule.h"

namespace fwctl::importer {

namespace {

using policy::Action;
using policy::Direction;

// How many rules are looked at, those of a chain once for each way to it.
constexpr std::size_t kMostSteps = 200'000;

// How deep chains ask each other at most. The kernel's own limit is 16 for nftables.
constexpr std::size_t kDeepest = 100;

constexpr const char* kNoStates = "stands where the kernel does not know the state of flows yet";
constexpr const char* kManyBuckets = "its rate would be counted in several rules, each with its own bucket";

// Interfaces all of whose packets of a kind have got their verdict further up.
struct Decided {
    Direction direction;
    Numbers ethertype;
    std::string on;
};

class Flattener {
public:
    explicit Flattener(const Ruleset& ruleset) : ruleset_(ruleset) {}

    Result<Flat> run();

private:
    // Where a chain is asked from, as far as its rules' verdicts depend on it.
    struct Base {
        const BaseChain& chain;
        Condition scope;
        bool is_last;  // accept decides
    };
    // Who is still asked the next rule of a chain.
    struct Frame {
        Condition guard;
        std::string lost;  // the rule because of which that is not known; empty: it is
        bool is_base = false;
    };

    [[nodiscard]] std::vector<Base> bases(Direction direction) const;
    void direction(Direction direction);
    void base(const Base& base);
    Frame walk(const std::string& key, Condition guard, const Base& base);
    void step(const SourceRule& rule, std::size_t number, const Chain& chain, Frame& frame, const Base& base);
    void decide(const SourceRule& rule, const std::string& name, const Chain& chain, Frame& frame,
                const Base& base);
    [[nodiscard]] static bool rate_can_be_said(const SourceRule& rule, const Frame& frame, const Base& base);
    void leave(const SourceRule& rule, Frame& frame, const Base& base, const std::string& reason);
    void skip_rest(const SourceRule& rule, Frame& frame, const Base& base);
    void ask(const SourceRule& rule, Frame& frame, const Base& base);
    void end_base(const Base& base);

    bool emit(const SourceRule& rule, const Condition& condition, Action action, const std::string& name,
              const Chain& chain, const Base& base);
    Result<policy::Rule> say(Match match, Direction direction);
    void remember(const Match& match, Action action, const Base& base);
    void comment(const SourceRule* rule, std::string text, Direction direction);
    void leave_out(const SourceRule& rule, std::string reason, const Base& base);
    void outside();

    const Ruleset& ruleset_;
    Flat flat_;
    RuleNames names_;
    std::vector<Decided> decided_;
    std::vector<std::string> path_;  // the chains that are being walked through
    Condition accepted_;             // in the chains of path_, if it is not the last that is asked
    bool denies_all_ = false;        // every IP packet of the direction that no rule decides
    std::set<const SourceRule*> visited_;
    std::set<const SourceRule*> left_out_;
    std::size_t steps_ = 0;
};

bool asks_interface_alone(const Match& match) {
    Match rest = match;
    rest[Axis::kDirection] = Match()[Axis::kDirection];
    rest[Axis::kEthertype] = Match()[Axis::kEthertype];
    rest.on.clear();
    return rest == Match() && !match.on.empty();
}

bool asks_state(const Condition& condition) {
    return std::any_of(condition.begin(), condition.end(),
                       [](const Match& match) { return match.asks(Axis::kState); });
}

void Flattener::comment(const SourceRule* rule, std::string text, Direction direction) {
    // Said once of rules that the original has as one.
    if (rule != nullptr && !flat_.entries.empty()) {
        const Entry& last = flat_.entries.back();
        if (!last.rule && last.source != nullptr && last.source->place == rule->place &&
            last.comment == text && last.direction == direction) {
            return;
        }
    }
    Entry entry;
    entry.direction = direction;
    entry.source = rule;
    entry.comment = std::move(text);
    flat_.entries.push_back(std::move(entry));
}

void Flattener::leave_out(const SourceRule& rule, std::string reason, const Base& base) {
    comment(&rule, std::move(reason), base.chain.direction);
    flat_.entries.back().left_out = true;
    const Reach reach = reach_of(ruleset_, rule, path_.size() == 1, base.chain.policy);
    flat_.entries.back().allows |= reach.allows;
    flat_.entries.back().denies |= reach.denies;
    left_out_.insert(&rule);
}

// The rule in words. Interfaces that it must not hold on are no matter where all is decided on them already.
Result<policy::Rule> Flattener::say(Match match, Direction direction) {
    std::erase_if(match.not_on, [&](const std::string& name) {
        return std::any_of(decided_.begin(), decided_.end(), [&](const Decided& known) {
            return known.direction == direction && pattern_covers(known.on, name) &&
                   known.ethertype.covers(match[Axis::kEthertype]);
        });
    });
    const Status ports = check_ports(match);
    return ports ? rule_of(match) : tl::unexpected<Error>(ports.error());
}

void Flattener::remember(const Match& match, Action action, const Base& base) {
    if (!policy::goes_on(action) && asks_interface_alone(match)) {
        for (const std::string& name : match.on) {
            decided_.push_back({base.chain.direction, match[Axis::kEthertype], name});
        }
    }
}

// All of the rules that stand for one, or none: false.
bool Flattener::emit(const SourceRule& rule, const Condition& condition, Action action,
                     const std::string& name, const Chain& chain, const Base& base) {
    const auto parts = policy::goes_on(action) ? disjoint(condition) : Result<Condition>(condition);
    if (!parts) {
        leave_out(rule, parts.error().message, base);
        return false;
    }
    if (rule.rate && parts->size() != 1) {
        leave_out(rule, kManyBuckets, base);
        return false;
    }
    std::vector<Entry> entries;
    for (const Match& match : *parts) {
        auto said = say(match, base.chain.direction);
        if (!said) {
            leave_out(rule, said.error().message, base);
            return false;
        }
        said->action = action;
        said->direction = base.chain.direction;
        said->rate = rule.rate;
        said->reject_with = action == Action::kReject ? rule.reject_with : policy::RejectWith::kAuto;
        const Status valid = policy::check_rule(*said);
        if (!valid) {
            leave_out(rule, valid.error().message, base);
            return false;
        }
        entries.push_back({base.chain.direction, std::move(*said), &rule, rule.note});
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
        policy::Rule& said = *entries[i].rule;
        const std::string comment = printable(rule.comment);
        said.name = names_.take(comment, chain.label, name);
        said.comment = said.name == comment ? "" : comment;
        if (!rule.rate) {
            remember((*parts)[i], action, base);
        }
        flat_.entries.push_back(std::move(entries[i]));
    }
    return true;
}

// What the rule is about is not asked the rest of the chain: RETURN, and accept where other chains follow.
void Flattener::skip_rest(const SourceRule& rule, Frame& frame, const Base& base) {
    auto guard = but_not(frame.guard, rule.condition);
    if (guard) {
        frame.guard = std::move(*guard);
        return;
    }
    leave_out(rule, guard.error().message, base);
    frame.lost = rule.place;
}

void Flattener::ask(const SourceRule& rule, Frame& frame, const Base& base) {
    const bool loops =
        path_.size() >= kDeepest || std::find(path_.begin(), path_.end(), rule.target) != path_.end();
    if (loops || !ruleset_.chains.contains(rule.target)) {
        leave_out(rule, loops ? "the chains ask each other without end" : "there is no such chain", base);
        return;
    }
    const std::size_t before = accepted_.size();
    walk(rule.target, both(frame.guard, rule.condition), base);
    const Condition accepted(accepted_.begin() + static_cast<std::ptrdiff_t>(before), accepted_.end());
    auto guard = but_not(frame.guard, accepted);
    if (!guard) {
        leave_out(rule, guard.error().message, base);
        frame.lost = rule.place;
        return;
    }
    frame.guard = std::move(*guard);
    if (rule.verdict == Verdict::kGoto) {
        skip_rest(rule, frame, base);
    }
}

void Flattener::decide(const SourceRule& rule, const std::string& name, const Chain& chain, Frame& frame,
                       const Base& base) {
    const bool drops = base.chain.policy == Verdict::kDrop;
    const bool ends_base = rule.verdict == Verdict::kReturn && frame.is_base;
    const Condition condition = both(frame.guard, rule.condition);
    const bool accepts = rule.verdict == Verdict::kAccept || (ends_base && !drops);
    if (accepts && !base.is_last) {
        auto guard = but_not(frame.guard, rule.condition);
        if (!guard) {
            leave_out(rule, guard.error().message, base);
            return;
        }
        frame.guard = std::move(*guard);
        accepted_.insert(accepted_.end(), condition.begin(), condition.end());
    } else if (accepts) {
        emit(rule, condition, Action::kAllow, name, chain, base);
    } else if (rule.verdict == Verdict::kReject) {
        emit(rule, condition, Action::kReject, name, chain, base);
    } else if (rule.verdict == Verdict::kDrop || ends_base) {
        emit(rule, condition, Action::kDeny, name, chain, base);
    } else if (rule.verdict == Verdict::kReturn) {
        skip_rest(rule, frame, base);
    } else if (rule.verdict == Verdict::kJump || rule.verdict == Verdict::kGoto) {
        ask(rule, frame, base);
    } else if (rule.counts) {
        emit(rule, condition, Action::kCount, name, chain, base);
    }
}

// One rule has to come of it, which decides for itself: else there would be several buckets for one.
bool Flattener::rate_can_be_said(const SourceRule& rule, const Frame& frame, const Base& base) {
    switch (rule.verdict) {
        case Verdict::kDrop:
        case Verdict::kReject:
            return frame.is_base && !rule.logs;
        case Verdict::kAccept:
            return frame.is_base && !rule.logs && base.is_last;
        case Verdict::kNone:
            return frame.is_base;
        default:
            return false;
    }
}

void Flattener::leave(const SourceRule& rule, Frame& frame, const Base& base, const std::string& reason) {
    leave_out(rule, reason, base);
    const bool skips = rule.verdict == Verdict::kReturn || rule.verdict == Verdict::kGoto;
    if (skips && !frame.is_base) {
        frame.lost = rule.place;
    }
}

void Flattener::step(const SourceRule& rule, std::size_t number, const Chain& chain, Frame& frame,
                     const Base& base) {
    visited_.insert(&rule);
    if (!frame.lost.empty()) {
        leave_out(rule, fmt::format("stands behind {}, which is left out", frame.lost), base);
        return;
    }
    if (!rule.reason.empty()) {
        leave(rule, frame, base, rule.reason);
        return;
    }
    if (!base.chain.knows_states && asks_state(rule.condition)) {
        leave(rule, frame, base, kNoStates);
        return;
    }
    if (rule.rate && !rate_can_be_said(rule, frame, base)) {
        leave(rule, frame, base, kManyBuckets);
        return;
    }
    const std::string name = std::to_string(number);
    if (both(frame.guard, rule.logs.value_or(rule.condition)).empty()) {
        comment(&rule, "no packet comes here that it matches", base.chain.direction);
        return;
    }
    if (rule.logs && !emit(rule, both(frame.guard, *rule.logs), Action::kLog, name + " log", chain, base)) {
        return;
    }
    decide(rule, name, chain, frame, base);
}

Flattener::Frame Flattener::walk(const std::string& key, Condition guard, const Base& base) {
    const Chain& chain = ruleset_.chains.at(key);
    Frame frame{std::move(guard), "", path_.empty()};
    path_.push_back(key);
    std::size_t number = 0;
    for (std::size_t i = 0; i < chain.rules.size() && ++steps_ <= kMostSteps; ++i) {
        number += i == 0 || chain.rules[i].place != chain.rules[i - 1].place ? 1 : 0;
        step(chain.rules[i], number, chain, frame, base);
    }
    path_.pop_back();
    return frame;
}

// The chain's policy, for what no rule of it decided.
void Flattener::end_base(const Base& base) {
    if (base.chain.policy != Verdict::kDrop || (base.is_last && denies_all_)) {
        return;
    }
    const std::string& label = ruleset_.chains.at(base.chain.chain).label;
    const Direction direction = base.chain.direction;
    const auto left = but_not(base.scope, accepted_);
    std::vector<Entry> entries;
    for (const Match& match : left ? *left : Condition()) {
        auto said = say(match, direction);
        if (!said) {
            break;
        }
        said->action = Action::kDeny;
        said->direction = direction;
        entries.push_back({direction, std::move(*said), nullptr, ""});
    }
    if (!left || entries.size() < left->size()) {
        comment(nullptr, fmt::format("{} drops what no rule of it accepts, which cannot be said here", label),
                direction);
        flat_.entries.back().left_out = true;
        flat_.entries.back().denies = true;
        ++flat_.left_out;
        return;
    }
    for (Entry& entry : entries) {
        entry.rule->name = names_.take("", label, "policy");
        flat_.entries.push_back(std::move(entry));
    }
}

void Flattener::base(const Base& base) {
    accepted_.clear();
    walk(base.chain.chain, base.scope, base);
    end_base(base);
}

// The chains of a direction that say something, in the order in which packets meet them.
std::vector<Flattener::Base> Flattener::bases(Direction direction) const {
    std::vector<const BaseChain*> chains;
    for (const BaseChain& chain : ruleset_.bases) {
        const bool says_something =
            chain.policy == Verdict::kDrop || !ruleset_.chains.at(chain.chain).rules.empty();
        if (chain.direction == direction && says_something) {
            chains.push_back(&chain);
        }
    }
    std::stable_sort(chains.begin(), chains.end(), [](const BaseChain* one, const BaseChain* other) {
        return std::pair(one->stage, one->priority) < std::pair(other->stage, other->priority);
    });
    std::vector<Base> result;
    for (auto chain = chains.begin(); chain != chains.end(); ++chain) {
        const bool is_last = std::none_of(chain + 1, chains.end(), [&](const BaseChain* next) {
            return !both(next->scope, (*chain)->scope).empty();
        });
        result.push_back({**chain, both((*chain)->scope, Condition{of_direction(direction)}), is_last});
    }
    return result;
}

void Flattener::direction(Direction direction) {
    const std::vector<Base> chains = bases(direction);
    Condition undecided = both(Condition{of_ip()}, Condition{of_direction(direction)});
    for (const Base& base : chains) {
        if (base.is_last && base.chain.policy == Verdict::kDrop) {
            const auto rest = but_not(undecided, base.scope);
            undecided = rest ? *rest : undecided;
        }
    }
    denies_all_ = undecided.empty();
    for (const Base& chain : chains) {
        base(chain);
    }
    if (denies_all_) {
        (direction == Direction::kIn ? flat_.in : flat_.out) = Action::kDeny;
    }
}

// What stands in chains that nobody here asks.
void Flattener::outside() {
    std::set<std::string> asked;
    for (const OutsideRule& rule : ruleset_.outside) {
        BaseChain chain;
        chain.direction = rule.direction.value_or(Direction::kBoth);
        leave_out(rule.rule, rule.rule.reason, {chain, always(), true});
        flat_.entries.back().allows = flat_.entries.back().allows && rule.direction;
        flat_.entries.back().denies = flat_.entries.back().denies && rule.direction;
        add_asked(ruleset_, rule.rule, asked);
    }
    for (const auto& [key, chain] : ruleset_.chains) {
        const bool is_asked = asked.contains(key);
        for (const SourceRule& rule : chain.rules) {
            if (!visited_.contains(&rule)) {
                comment(&rule, is_asked ? "only chains that are left out ask it" : "no chain asks it",
                        Direction::kBoth);
                flat_.entries.back().left_out = is_asked;
                if (is_asked) {
                    left_out_.insert(&rule);
                }
            }
        }
    }
}

Result<Flat> Flattener::run() {
    direction(Direction::kIn);
    direction(Direction::kOut);
    outside();
    if (steps_ > kMostSteps) {
        return fail(fmt::format("the chains ask each other in more than {} ways", kMostSteps), Exit::kUsage);
    }
    const auto places = [](const std::set<const SourceRule*>& rules) {
        std::set<std::string> found;
        for (const SourceRule* rule : rules) {
            found.insert(rule->place);
        }
        return found;
    };
    const std::set<std::string> left_out = places(left_out_);
    const std::set<std::string> visited = places(visited_);
    flat_.left_out += left_out.size();
    flat_.translated = static_cast<std::size_t>(std::count_if(
        visited.begin(), visited.end(), [&](const std::string& place) { return !left_out.contains(place); }));
    return std::move(flat_);
}

}  // namespace

Result<Flat> flatten(const Ruleset& ruleset) {
    return Flattener(ruleset).run();
}

}  // namespace fwctl::importer
