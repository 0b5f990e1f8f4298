// What the rules around a rule leave for it to do.
//
// Promises: kYes and kNo are true for the packets of analyze_space.h; kUnknown is answered when the steps
// that a rule is allowed are used up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "policy/analyze_cover.h"
#include "policy/analyze_index.h"
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

class Judge {
public:
    // All have to outlive it. `rules` in the order in which they are asked.
    Judge(const std::vector<AskedRule>& rules, const Defaults& defaults, Space& space, Work& work);

    // Whether the terminal rules before it match together all that the rule matches. `because` are some that
    // do; each is needed, unless they are too many to find that out.
    Answer never_matches(std::size_t rule, std::set<std::size_t>& because);

    // Whether what reaches the rule, which is terminal, would get its verdict behind it all the same, unseen
    // by count and log rules. `because` are rules behind that see to that where the default does not.
    Answer changes_nothing(std::size_t rule, std::set<std::size_t>& because);

    // The first terminal rule before it that matches the same packets with another verdict, else `rule`.
    [[nodiscard]] std::size_t contradicted(std::size_t rule) const;

private:
    using Chosen = std::set<std::size_t>;
    enum class Which : std::uint8_t { kTerminal, kAll };

    // The boxes of the rules first to last - 1 that meet `box`, by rule.
    std::vector<RuleBox> meeting(const Box& box, std::size_t first, std::size_t last, Which which);
    // With `only` the other rules are taken for absent.
    Answer is_covered(std::size_t rule, const Chosen* only, Chosen& because);
    Answer is_followed(std::size_t rule, const Chosen* only, Chosen& because);
    Answer box_is_followed(std::size_t rule, const Box& box, const Chosen* only, Chosen& because);
    Answer default_is_harmless(std::size_t rule, const Box& box, const std::vector<RuleBox>& helping,
                               Chosen& because);
    Answer ask(const Box& target, const std::vector<RuleBox>& boxes, Chosen& because);
    void allow_steps(std::size_t rule);

    const std::vector<AskedRule>& rules_;
    const Defaults& defaults_;
    Space& space_;
    Work& work_;
    BoxIndex index_;
};

}  // namespace fwctl::policy::analysis
