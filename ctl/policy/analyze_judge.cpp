#include "policy/analyze_judge.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace fwctl::policy::analysis {

namespace {

constexpr std::uint64_t kStepsForRule = 4'000'000;
constexpr std::uint64_t kStepsForRange = 16;  // in addition, for each range of the rule's sets
constexpr std::size_t kFewEnoughToReduce = 32;

std::vector<BoxIndex::Entry> entries_of(const std::vector<AskedRule>& rules) {
    std::vector<BoxIndex::Entry> entries;
    for (std::size_t rule = 0; rule < rules.size(); ++rule) {
        for (const Box& box : rules[rule].boxes) {
            entries.push_back({&box, rule});
        }
    }
    return entries;
}

// What is in both, which meet. `made` holds what had to be made for it.
Box common(const Box& one, const Box& other, std::deque<Ranges>& made) {
    Box box = one;
    for (const Part& part : other) {
        const auto place =
            std::lower_bound(box.begin(), box.end(), part.dimension,
                             [](const Part& known, Dimension wanted) { return known.dimension < wanted; });
        if (place == box.end() || place->dimension != part.dimension) {
            box.insert(place, part);
        } else if (part.values->within(*place->values)) {
            place->values = part.values;
        } else if (!place->values->within(*part.values)) {
            made.push_back(place->values->intersected(*part.values));
            place->values = &made.back();
        }
    }
    return box;
}

// Takes out of `because` what is not needed, the last ones first. `ask_with(only, found)` asks again.
template <typename Ask>
void reduce(std::set<std::size_t>& because, Ask ask_with) {
    if (because.size() < 2 || because.size() > kFewEnoughToReduce) {
        return;
    }
    const std::vector<std::size_t> last_first(because.rbegin(), because.rend());
    for (const std::size_t rule : last_first) {
        std::set<std::size_t> rest = because;
        std::set<std::size_t> found;
        if (rest.erase(rule) == 1 && ask_with(rest, found) == Answer::kYes) {
            because = std::move(found);
        }
    }
}

std::vector<RuleBox> chosen_of(std::vector<RuleBox> boxes, const std::set<std::size_t>* only) {
    if (only != nullptr) {
        boxes.erase(std::remove_if(boxes.begin(), boxes.end(),
                                   [only](const RuleBox& box) { return only->count(box.rule) == 0; }),
                    boxes.end());
    }
    return boxes;
}

}  // namespace

bool same_verdict(const Rule& one, const Rule& other) {
    return one.action == other.action &&
           (one.action != Action::kReject || one.reject_with == other.reject_with) &&
           (one.action != Action::kRedirect || one.redirect == other.redirect);
}

std::vector<Direction> directions_by_default(const Rule& rule, const Defaults& defaults, bool is_action) {
    std::vector<Direction> directions;
    for (const Direction direction : {Direction::kIn, Direction::kOut}) {
        const bool holds = rule.direction == Direction::kBoth || rule.direction == direction;
        const Action action = direction == Direction::kIn ? defaults.in : defaults.out;
        if (holds && (rule.action == action) == is_action) {
            directions.push_back(direction);
        }
    }
    return directions;
}

Judge::Judge(const std::vector<AskedRule>& rules, const Defaults& defaults, Space& space, Work& work)
    : rules_(rules), defaults_(defaults), space_(space), work_(work), index_(entries_of(rules), space) {}

void Judge::allow_steps(std::size_t rule) {
    std::uint64_t ranges = 0;
    for (const Box& box : rules_[rule].boxes) {
        for (const Part& part : box) {
            ranges += part.values->size();
        }
    }
    work_.allow(kStepsForRule + kStepsForRange * ranges);
}

std::vector<RuleBox> Judge::meeting(const Box& box, std::size_t first, std::size_t last, Which which) {
    std::vector<RuleBox> boxes;
    const std::size_t looked_at = index_.visit(box, first, last, [&](const BoxIndex::Entry& entry) {
        const bool counts = which == Which::kAll || !goes_on(rules_[entry.rule].rule->action);
        if (counts && intersect(*entry.box, box)) {
            boxes.push_back({entry.box, entry.rule});
        }
    });
    work_.spend(looked_at);
    std::sort(boxes.begin(), boxes.end(), [](const RuleBox& one, const RuleBox& other) {
        return std::pair(one.rule, one.box) < std::pair(other.rule, other.box);
    });
    return boxes;
}

Answer Judge::ask(const Box& target, const std::vector<RuleBox>& boxes, Chosen& because) {
    return Cover(space_, target, boxes, work_).ask(because);
}

Answer Judge::never_matches(std::size_t rule, Chosen& because) {
    allow_steps(rule);
    const Answer answer = is_covered(rule, nullptr, because);
    if (answer == Answer::kYes) {
        reduce(because, [&](const Chosen& only, Chosen& found) { return is_covered(rule, &only, found); });
    }
    return answer;
}

Answer Judge::is_covered(std::size_t rule, const Chosen* only, Chosen& because) {
    for (const Box& box : rules_[rule].boxes) {
        const auto before = chosen_of(meeting(box, 0, rule, Which::kTerminal), only);
        const Answer answer = ask(box, before, because);
        if (answer != Answer::kYes) {
            return answer;
        }
    }
    return Answer::kYes;
}

std::size_t Judge::contradicted(std::size_t rule) const {
    const auto& boxes = rules_[rule].boxes;
    std::size_t first = rule;
    if (boxes.empty() || goes_on(rules_[rule].rule->action)) {
        return rule;
    }
    index_.visit(boxes.front(), 0, rule, [&](const BoxIndex::Entry& entry) {
        const AskedRule& other = rules_[entry.rule];
        if (entry.rule < first && other.boxes == boxes && !goes_on(other.rule->action) &&
            !same_verdict(*other.rule, *rules_[rule].rule)) {
            first = entry.rule;
        }
    });
    return first;
}

Answer Judge::changes_nothing(std::size_t rule, Chosen& because) {
    allow_steps(rule);
    const Answer answer = is_followed(rule, nullptr, because);
    if (answer == Answer::kYes) {
        reduce(because, [&](const Chosen& only, Chosen& found) { return is_followed(rule, &only, found); });
    }
    return answer;
}

Answer Judge::is_followed(std::size_t rule, const Chosen* only, Chosen& because) {
    Chosen used;
    for (const Box& box : rules_[rule].boxes) {
        const Answer answer = box_is_followed(rule, box, only, used);
        if (answer != Answer::kYes) {
            return answer;
        }
    }
    because.insert(used.upper_bound(rule), used.end());
    return Answer::kYes;
}

// No packet that reaches the rule may meet one behind that does otherwise, unless it met one before that that
// does the same; and so with the default.
Answer Judge::box_is_followed(std::size_t rule, const Box& box, const Chosen* only, Chosen& because) {
    std::vector<RuleBox> others;
    std::vector<RuleBox> agreeing;
    for (const RuleBox& behind : meeting(box, rule + 1, rules_.size(), Which::kAll)) {
        const bool agrees = same_verdict(*rules_[behind.rule].rule, *rules_[rule].rule);
        (agrees ? agreeing : others).push_back(behind);
    }
    std::vector<RuleBox> helping = meeting(box, 0, rule, Which::kTerminal);
    agreeing = chosen_of(std::move(agreeing), only);
    helping.insert(helping.end(), agreeing.begin(), agreeing.end());

    Answer answer = default_is_harmless(rule, box, helping, because);
    for (auto other = others.begin(); other != others.end() && answer == Answer::kYes; ++other) {
        const auto in_front = std::partition_point(
            helping.begin(), helping.end(), [&](const RuleBox& known) { return known.rule < other->rule; });
        std::deque<Ranges> made;
        const Box both = common(box, *other->box, made);
        answer = ask(both, std::vector(helping.begin(), in_front), because);
    }
    return answer;
}

Answer Judge::default_is_harmless(std::size_t rule, const Box& box, const std::vector<RuleBox>& helping,
                                  Chosen& because) {
    for (const Direction direction : directions_by_default(*rules_[rule].rule, defaults_, false)) {
        Box one_way = box;
        const Number way = direction == Direction::kIn ? 0 : 1;
        if (!space_.narrow(one_way, kWay, Ranges(way, way))) {
            continue;
        }
        const Answer answer = ask(one_way, helping, because);
        if (answer != Answer::kYes) {
            return answer;
        }
    }
    return Answer::kYes;
}

}  // namespace fwctl::policy::analysis
