#include "import/match.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "policy/field.h"

namespace fwctl::importer {

namespace {

constexpr Number kLargest = ~Number{0};

// How many alternatives a condition may have. Those that people write have a handful.
constexpr std::size_t kMostMatches = 64;

bool is_pattern(const std::string& name) {
    return !name.empty() && name.back() == '*';
}

std::string_view stem(const std::string& pattern) {
    return std::string_view(pattern).substr(0, pattern.size() - (is_pattern(pattern) ? 1 : 0));
}

bool patterns_meet(const std::string& one, const std::string& other) {
    return pattern_covers(one, other) || pattern_covers(other, one);
}

template <typename Value>
void add_new(std::vector<Value>& list, const Value& value) {
    if (std::find(list.begin(), list.end(), value) == list.end()) {
        list.push_back(value);
    }
}

// The names that both lists allow; an empty list allows all. nullopt: there is none.
std::optional<std::vector<std::string>> both_on(const std::vector<std::string>& one,
                                                const std::vector<std::string>& other) {
    if (one.empty() || other.empty()) {
        return one.empty() ? other : one;
    }
    std::vector<std::string> shared;
    for (const std::string& left : one) {
        for (const std::string& right : other) {
            if (patterns_meet(left, right)) {
                add_new(shared, pattern_covers(left, right) ? right : left);
            }
        }
    }
    return shared.empty() ? std::nullopt : std::optional(shared);
}

// Takes out of `on` what `not_on` forbids, and out of `not_on` what `on` has not. False: no name is left.
bool settle_interfaces(Match& match) {
    if (match.on.empty()) {
        return true;
    }
    std::erase_if(match.on, [&](const std::string& name) {
        return std::any_of(match.not_on.begin(), match.not_on.end(),
                           [&](const std::string& other) { return pattern_covers(other, name); });
    });
    std::erase_if(match.not_on, [&](const std::string& name) {
        return std::none_of(match.on.begin(), match.on.end(),
                            [&](const std::string& other) { return patterns_meet(name, other); });
    });
    return !match.on.empty();
}

// False: no packet is left.
bool settle(Match& match) {
    if (const auto family = match.family()) {
        const Numbers addresses = Numbers::between(0, largest_address(*family));
        for (const Axis side : {Axis::kSource, Axis::kDestination}) {
            if (match.asks(side)) {
                match[side] = match[side].both(addresses);
                if (match[side] == addresses) {
                    match[side] = Match()[side];
                }
            }
        }
    }
    const bool some = std::none_of(match.parts.begin(), match.parts.end(),
                                   [](const Numbers& part) { return part.empty(); });
    const bool contradicts = std::any_of(match.sets.begin(), match.sets.end(), [&](const SetTest& test) {
        const SetTest opposite{test.side, test.set, !test.inside};
        return std::find(match.sets.begin(), match.sets.end(), opposite) != match.sets.end();
    });
    return some && !contradicts && settle_interfaces(match);
}

// Walks through what `hole` asks: `rest` is what has held so far, and every step takes away from it those
// packets for which the next thing does not hold.
class Subtraction {
public:
    explicit Subtraction(Match what) : rest_(std::move(what)) {}

    Result<Condition> of(const Match& hole) {
        if (hole.asks(Axis::kMac)) {
            return fail("packets without a link header cannot be told from others");
        }
        for (std::size_t i = 0; i < kAxes; ++i) {
            const auto axis = static_cast<Axis>(i);
            if (hole.asks(axis)) {
                Match outside;
                outside[axis] = hole[axis].outside(largest_of(axis));
                Match inside;
                inside[axis] = hole[axis];
                step(inside, outside);
            }
        }
        for (const SetTest& test : hole.sets) {
            Match inside;
            inside.sets = {test};
            Match outside;
            outside.sets = {{test.side, test.set, !test.inside}};
            step(inside, outside);
        }
        if (!hole.on.empty()) {
            Match inside;
            inside.on = hole.on;
            Match outside;
            outside.not_on = hole.on;
            step(inside, outside);
        }
        if (!hole.not_on.empty()) {
            Match inside;
            inside.not_on = hole.not_on;
            Match outside;
            outside.on = hole.not_on;
            step(inside, outside);
        }
        return kept_;
    }

private:
    void step(const Match& inside, const Match& outside) {
        if (!rest_) {
            return;
        }
        if (auto kept = both(*rest_, outside)) {
            kept_.push_back(std::move(*kept));
        }
        rest_ = both(*rest_, inside);
    }

    std::optional<Match> rest_;
    Condition kept_;
};

}  // namespace

Number largest_of(Axis axis) {
    const auto field = [](policy::Field name) { return Number{policy::info_of(name).largest}; };
    switch (axis) {
        case Axis::kDirection:
            return 1;
        case Axis::kEthertype:
            return field(policy::Field::kEthertype);
        case Axis::kProtocol:
            return 255;
        case Axis::kFragment:
            return field(policy::Field::kFragment);
        case Axis::kSelector:
            return 65535;
        case Axis::kSourcePort:
            return field(policy::Field::kSourcePort);
        case Axis::kTcpFlags:
            return field(policy::Field::kTcpFlags);
        case Axis::kLength:
            return field(policy::Field::kLength);
        case Axis::kTtl:
            return field(policy::Field::kTtl);
        case Axis::kDscp:
            return field(policy::Field::kDscp);
        case Axis::kState:
            return field(policy::Field::kState);
        case Axis::kVlan:
            return field(policy::Field::kVlan);
        case Axis::kMac:
            return field(policy::Field::kMac);
        case Axis::kSource:
        case Axis::kDestination:
            break;
    }
    return kLargest;
}

Number largest_address(policy::Family family) {
    return family == policy::Family::kIpv4 ? Number{0xffffffff} : kLargest;
}

Match::Match() {
    for (std::size_t i = 0; i < kAxes; ++i) {
        parts[i] = Numbers::between(0, largest_of(static_cast<Axis>(i)));
    }
}

bool Match::asks(Axis axis) const {
    return (*this)[axis] != Numbers::between(0, largest_of(axis));
}

std::optional<policy::Family> Match::family() const {
    const Numbers& ethertype = (*this)[Axis::kEthertype];
    if (ethertype == Numbers::one(kEthertypeIp)) {
        return policy::Family::kIpv4;
    }
    return ethertype == Numbers::one(kEthertypeIp6) ? std::optional(policy::Family::kIpv6) : std::nullopt;
}

std::optional<Match> both(const Match& one, const Match& other) {
    auto on = both_on(one.on, other.on);
    if (!on) {
        return std::nullopt;
    }
    Match match = one;
    match.on = std::move(*on);
    for (std::size_t i = 0; i < kAxes; ++i) {
        match.parts[i] = one.parts[i].both(other.parts[i]);
    }
    for (const SetTest& test : other.sets) {
        add_new(match.sets, test);
    }
    for (const std::string& name : other.not_on) {
        add_new(match.not_on, name);
    }
    return settle(match) ? std::optional(std::move(match)) : std::nullopt;
}

Condition both(const Condition& one, const Condition& other) {
    Condition result;
    for (const Match& left : one) {
        for (const Match& right : other) {
            if (auto match = both(left, right)) {
                result.push_back(std::move(*match));
            }
        }
    }
    return result;
}

Result<Condition> but_not(const Condition& what, const Condition& hole) {
    Condition left = what;
    for (const Match& part : hole) {
        Condition next;
        for (const Match& match : left) {
            if (!both(match, part)) {
                next.push_back(match);
                continue;
            }
            auto kept = Subtraction(match).of(part);
            if (!kept) {
                return kept;
            }
            next.insert(next.end(), kept->begin(), kept->end());
        }
        if (next.size() > kMostMatches) {
            return fail(fmt::format("more than {} rules would be needed in its place", kMostMatches));
        }
        left = std::move(next);
    }
    return left;
}

Result<Condition> disjoint(const Condition& condition) {
    Condition result;
    for (const Match& match : condition) {
        auto rest = but_not({match}, result);
        if (!rest) {
            return rest;
        }
        result.insert(result.end(), rest->begin(), rest->end());
    }
    return result;
}

bool pattern_covers(const std::string& outer, const std::string& inner) {
    return is_pattern(outer) ? stem(inner).substr(0, stem(outer).size()) == stem(outer) : outer == inner;
}

}  // namespace fwctl::importer
