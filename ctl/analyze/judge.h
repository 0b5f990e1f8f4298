// What the rules around a rule leave for it to do.
//
// Promises: kYes and kNo are true for the packets of space.h; kUnknown is answered when the steps
// that a rule is allowed are used up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "analyze/cover.h"
#include "analyze/index.h"
#include "analyze/sample.h"
#include "analyze/space.h"
#include "policy/model.h"

namespace fwctl::analyze {

struct AskedRule {
    const Rule* rule = nullptr;
    std::vector<Box> boxes;
};

bool same_verdict(const Rule& one, const Rule& other);

// The directions that a rule holds in where the default is its action, or is not.
std::vector<Direction> directions_by_default(const Rule& rule, const Defaults& defaults, bool is_action);

class Judge {
public:
    // All have to outlive it. `rules` in the order in which they are asked.
    Judge(const std::vector<AskedRule>& rules, const Defaults& defaults, Space& space, Work& work);

    // Each in about so many steps. To `because` the rules are added that make it so, where no default does.
    // Each is needed, unless they are too many to find that out.

    // Whether the terminal rules before it match together all that it matches.
    Answer never_matches(std::size_t rule, std::uint64_t steps, std::set<std::size_t>& because);
    // Of a terminal rule: whether what reaches it would get its verdict behind it all the same, unseen by
    // count and log rules.
    Answer changes_nothing(std::size_t rule, std::uint64_t steps, std::set<std::size_t>& because);

private:
    using Chosen = std::set<std::size_t>;
    using RuleBoxes = std::vector<RuleBox>;
    enum class Which : std::uint8_t { kTerminal, kAll };

    void begin(std::size_t rule, std::uint64_t steps);
    // Whether shows(packet) says so of one of those that were drawn from what the rule matches.
    template <typename Shows>
    bool any_packet(std::size_t rule, Shows shows);
    // No, when that is not known.
    bool reaches(const Packet& packet, std::size_t rule);
    bool fares_otherwise_behind(const Packet& packet, std::size_t rule);

    // The boxes of the rules first to last - 1 that meet `box`, by rule; nullopt when they are too many.
    std::optional<RuleBoxes> meeting(const Box& box, std::size_t first, std::size_t last, Which which);
    const std::optional<RuleBoxes>& before(std::size_t rule, std::size_t box);
    // In these, with `only` the other rules are taken for absent.
    Answer is_covered(std::size_t rule, const Chosen* only, Chosen& because);
    Answer is_followed(std::size_t rule, const Chosen* only, Chosen& because);
    Answer box_is_followed(std::size_t rule, std::size_t box, const Chosen* only, Chosen& because);
    Answer default_is_harmless(std::size_t rule, const Box& box, const RuleBoxes& helping, Chosen& because);
    bool finds_one_outside(const Box& target, const RuleBoxes& boxes);
    Answer ask(const Box& target, const RuleBoxes& boxes, Chosen& because);

    const std::vector<AskedRule>& rules_;
    const Defaults& defaults_;
    Space& space_;
    Work& work_;
    BoxIndex index_;
    Dice dice_;
    // Of the boxes of the rule that is judged, as far as asked for.
    std::vector<std::optional<std::optional<RuleBoxes>>> before_;
};

}  // namespace fwctl::analyze
