// What the rules around a rule leave for it to do.
//
// Promises: kYes and kNo are true for the packets of analyze_space.h; kUnknown is answered when the steps
// that a rule is allowed are used up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "policy/analyze_cover.h"
#include "policy/analyze_index.h"
#include "policy/analyze_sample.h"
#include "policy/analyze_space.h"
#include "policy/model.h"

namespace fwctl::policy::analysis {

struct AskedRule {
    const Rule* rule = nullptr;
    std::vector<Box> boxes;
};

bool same_verdict(const Rule& one, const Rule& other);

// The directions that a rule holds in where the default is its action, or is not.
std::vector<Direction> directions_by_default(const Rule& rule, const Defaults& defaults, bool is_action);

struct Judgement {
    enum class Kind : std::uint8_t {
        kMatters,
        // The terminal rules before it match together all that it matches.
        kNeverMatches,
        // It is terminal, and what reaches it would get its verdict behind it all the same, unseen by count
        // and log rules.
        kChangesNothing,
        kUnknown,
    };
    Kind kind = Kind::kMatters;
    // The rules before or behind that make it so, where the default does not. Each is needed, unless they are
    // too many to find that out.
    std::set<std::size_t> because;
};

class Judge {
public:
    // All have to outlive it. `rules` in the order in which they are asked.
    Judge(const std::vector<AskedRule>& rules, const Defaults& defaults, Space& space, Work& work);

    // In about so many steps.
    Judgement judge(std::size_t rule, std::uint64_t steps);

    // The first terminal rule before it that matches the same packets with another verdict, else `rule`.
    [[nodiscard]] std::size_t contradicted(std::size_t rule) const;

private:
    using Chosen = std::set<std::size_t>;
    using RuleBoxes = std::vector<RuleBox>;
    enum class Which : std::uint8_t { kTerminal, kAll };
    // What single packets have shown of a rule.
    struct Shown {
        bool reached = false;  // one gets to it
        bool matters = false;  // and would fare otherwise without it, or is counted by it
    };

    void allow_steps(std::size_t rule, std::uint64_t steps);
    Shown try_packets(std::size_t rule);
    Shown try_packets(std::size_t rule, const Box& box);
    bool is_decided_before(const Packet& packet, std::size_t rule);
    bool is_same_behind(const Packet& packet, std::size_t rule);

    // The boxes of the rules first to last - 1 that meet `box`, by rule.
    RuleBoxes meeting(const Box& box, std::size_t first, std::size_t last, Which which);
    const RuleBoxes& before(std::size_t rule, std::size_t box);
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
    std::unordered_multimap<std::size_t, std::size_t> alike_;  // terminal rules by hash of their boxes
    Dice dice_;
    std::vector<std::optional<RuleBoxes>> before_;  // of the boxes of the rule that is judged
};

}  // namespace fwctl::policy::analysis
