#include "analyze/judge.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <utility>

namespace fwctl::analyze {

namespace {

constexpr std::uint64_t kStepsToReduce = 100'000;
constexpr std::uint64_t kStepsForRange = 16;  // in addition, for each range of the rule's sets
constexpr std::size_t kFewEnoughToReduce = 32;
constexpr std::size_t kTriesOfBox = 4;   // for each box of a rule
constexpr std::size_t kTriesOfPair = 4;  // and where it meets one of another rule

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
    if (because.size() > kFewEnoughToReduce) {
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
    return one.action == other.action && one.ban == other.ban &&
           (one.action != Action::kReject || one.reject_with == other.reject_with) &&
           (one.action != Action::kRedirect || one.redirect == other.redirect);
}

std::vector<Direction> directions_by_default(const Rule& rule, const Defaults& defaults, bool is_action) {
    std::vector<Direction> directions;
    for (const Direction direction : {Direction::kIn, Direction::kOut}) {
        const bool holds = rule.direction == Direction::kBoth || rule.direction == direction;
        const Action action = direction == Direction::kIn ? defaults.in : defaults.out;
        if (holds && (rule.action == action && !rule.ban) == is_action) {
            directions.push_back(direction);
        }
    }
    return directions;
}

Judge::Judge(const std::vector<AskedRule>& rules, const Defaults& defaults, Space& space, Work& work)
    : rules_(rules), defaults_(defaults), space_(space), work_(work), index_(entries_of(rules), space) {}

void Judge::begin(std::size_t rule, std::uint64_t steps) {
    std::uint64_t ranges = 0;
    for (const Box& box : rules_[rule].boxes) {
        for (const Part& part : box) {
            ranges += part.values->size();
        }
    }
    work_.allow(steps + kStepsForRange * ranges);
    before_.assign(rules_[rule].boxes.size(), std::nullopt);
}

std::optional<Judge::RuleBoxes> Judge::meeting(const Box& box, std::size_t first, std::size_t last,
                                               Which which) {
    RuleBoxes boxes;
    const auto disjoint = [this](const Ranges* one, const Ranges* other) {
        return space_.disjoint(one, other);
    };
    const auto add = [&](const BoxIndex::Entry& entry, std::size_t end) {
        const bool counts = which == Which::kAll || !policy::goes_on(rules_[entry.rule].rule->action);
        if (counts && intersect(*entry.box, box, disjoint)) {
            boxes.push_back({entry.box, entry.rule});
        }
        return end;
    };
    if (!work_.spend(1 + index_.visit(box, {first, last, work_.allowed()}, add))) {
        return std::nullopt;
    }
    std::sort(boxes.begin(), boxes.end(), [](const RuleBox& one, const RuleBox& other) {
        return std::pair(one.rule, one.box) < std::pair(other.rule, other.box);
    });
    boxes.erase(std::unique(boxes.begin(), boxes.end()), boxes.end());
    return boxes;
}

const std::optional<Judge::RuleBoxes>& Judge::before(std::size_t rule, std::size_t box) {
    if (!before_[box]) {
        before_[box] = meeting(rules_[rule].boxes[box], 0, rule, Which::kTerminal);
    }
    return *before_[box];
}

Answer Judge::ask(const Box& target, const RuleBoxes& boxes, Chosen& because) {
    return Cover(space_, target, boxes, work_).ask(because);
}

bool Judge::finds_one_outside(const Box& target, const RuleBoxes& boxes) {
    const Sampler sampler(space_, target);
    for (std::size_t tries = sampler.has_packets() ? kTriesOfPair : 0; tries > 0; --tries) {
        const Packet packet = sampler.draw(dice_);
        const auto holder = std::find_if(boxes.begin(), boxes.end(),
                                         [&](const RuleBox& box) { return holds(*box.box, packet); });
        work_.spend(1 + static_cast<std::size_t>(holder - boxes.begin()));
        if (holder == boxes.end()) {
            return true;
        }
    }
    return false;
}

Answer Judge::never_matches(std::size_t rule, std::uint64_t steps, std::set<std::size_t>& because) {
    begin(rule, steps);
    if (any_packet(rule, [&](const Packet& packet) { return reaches(packet, rule); })) {
        return Answer::kNo;
    }
    const Answer answer = is_covered(rule, nullptr, because);
    if (answer == Answer::kYes) {
        work_.allow(kStepsToReduce);
        reduce(because, [&](const Chosen& only, Chosen& found) { return is_covered(rule, &only, found); });
    }
    return answer;
}

Answer Judge::changes_nothing(std::size_t rule, std::uint64_t steps, std::set<std::size_t>& because) {
    begin(rule, steps);
    const auto matters = [&](const Packet& packet) {
        return reaches(packet, rule) && fares_otherwise_behind(packet, rule);
    };
    if (any_packet(rule, matters)) {
        return Answer::kNo;
    }
    const Answer answer = is_followed(rule, nullptr, because);
    if (answer == Answer::kYes) {
        work_.allow(kStepsToReduce);
        reduce(because, [&](const Chosen& only, Chosen& found) { return is_followed(rule, &only, found); });
    }
    return answer;
}

template <typename Shows>
bool Judge::any_packet(std::size_t rule, Shows shows) {
    for (const Box& box : rules_[rule].boxes) {
        const Sampler sampler(space_, box);
        for (std::size_t tries = sampler.has_packets() ? kTriesOfBox : 0; tries > 0; --tries) {
            if (shows(sampler.draw(dice_))) {
                return true;
            }
        }
    }
    return false;
}

bool Judge::reaches(const Packet& packet, std::size_t rule) {
    bool is_decided = false;
    const auto decide = [&](const BoxIndex::Entry& entry, std::size_t end) {
        is_decided = !policy::goes_on(rules_[entry.rule].rule->action) && holds(*entry.box, packet);
        return is_decided ? 0 : end;
    };
    return work_.spend(1 + index_.visit(packet, {0, rule, work_.allowed()}, decide)) && !is_decided;
}

bool Judge::fares_otherwise_behind(const Packet& packet, std::size_t rule) {
    std::size_t first = rules_.size();
    const auto note_first = [&](const BoxIndex::Entry& entry, std::size_t end) {
        first = holds(*entry.box, packet) ? entry.rule : first;
        return std::min(first, end);
    };
    if (!work_.spend(1 + index_.visit(packet, {rule + 1, rules_.size(), work_.allowed()}, note_first))) {
        return false;
    }
    return first < rules_.size()
               ? !same_verdict(*rules_[first].rule, *rules_[rule].rule)
               : rules_[rule].rule->action != (packet[kWay] == 0 ? defaults_.in : defaults_.out);
}

Answer Judge::is_covered(std::size_t rule, const Chosen* only, Chosen& because) {
    for (std::size_t box = 0; box < rules_[rule].boxes.size(); ++box) {
        const auto& known = before(rule, box);
        const Answer answer =
            known ? ask(rules_[rule].boxes[box], chosen_of(*known, only), because) : Answer::kUnknown;
        if (answer != Answer::kYes) {
            return answer;
        }
    }
    return Answer::kYes;
}

Answer Judge::is_followed(std::size_t rule, const Chosen* only, Chosen& because) {
    Chosen used;
    for (std::size_t box = 0; box < rules_[rule].boxes.size(); ++box) {
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
Answer Judge::box_is_followed(std::size_t rule, std::size_t at, const Chosen* only, Chosen& because) {
    const Box& box = rules_[rule].boxes[at];
    const auto& in_front_of_it = before(rule, at);
    const auto behind = meeting(box, rule + 1, rules_.size(), Which::kAll);
    if (!in_front_of_it || !behind) {
        return Answer::kUnknown;
    }
    const auto agrees = [&](const RuleBox& other) {
        return same_verdict(*rules_[other.rule].rule, *rules_[rule].rule);
    };
    RuleBoxes helping = *in_front_of_it;
    std::copy_if(behind->begin(), behind->end(), std::back_inserter(helping), [&](const RuleBox& other) {
        return agrees(other) && (only == nullptr || only->count(other.rule) != 0);
    });

    Answer answer = default_is_harmless(rule, box, helping, because);
    for (auto other = behind->begin(); other != behind->end() && answer == Answer::kYes; ++other) {
        if (agrees(*other)) {
            continue;
        }
        const auto helping_end = std::partition_point(
            helping.begin(), helping.end(), [&](const RuleBox& known) { return known.rule < other->rule; });
        std::deque<Ranges> made;
        const Box both = common(box, *other->box, made);
        const RuleBoxes boxes(helping.begin(), helping_end);
        answer = finds_one_outside(both, boxes) ? Answer::kNo : ask(both, boxes, because);
    }
    return answer;
}

Answer Judge::default_is_harmless(std::size_t rule, const Box& box, const RuleBoxes& helping,
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

}  // namespace fwctl::analyze
