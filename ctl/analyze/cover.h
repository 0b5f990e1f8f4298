// Whether boxes together hold all packets of another box.
//
// The question is hard in general (it is the complement of satisfiability), so the work is bounded. What is
// asked in practice falls to three steps, each exact:
//
//   1. a box that stands out of the target in one dimension alone takes its values there away, all such boxes
//      of that dimension at once;
//   2. where boxes end in some dimension, what is beyond all of them is looked at without them: most often
//      that is a packet in no box;
//   3. else the target is split where the box that is nearest to covering it ends.
//
// Sets of addresses are compared as wholes; two parts that are one object cover each other at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "analyze/sample.h"
#include "analyze/space.h"

namespace fwctl::analyze {

// Steps: boxes compared and ranges written. The same policy takes the same number on every machine.
class Work {
public:
    explicit Work(std::uint64_t steps) : left_(steps) {}
    // From here on at most that many, out of all that are left.
    void allow(std::uint64_t steps) { allowed_ = std::min(steps, left_); }
    // False when they are used up.
    bool spend(std::uint64_t steps) {
        const std::uint64_t spent = std::min(steps, allowed_);
        left_ -= spent;
        allowed_ -= spent;
        return allowed_ > 0;
    }
    [[nodiscard]] std::uint64_t allowed() const { return allowed_; }
    [[nodiscard]] bool is_used_up() const { return left_ == 0; }

private:
    std::uint64_t left_;
    std::uint64_t allowed_ = 0;
};

enum class Answer : std::uint8_t { kYes, kNo, kUnknown };

// A box of a rule.
struct RuleBox {
    const Box* box = nullptr;
    std::size_t rule = 0;
    bool operator==(const RuleBox&) const = default;
};

class Cover {
public:
    // All have to outlive it. Of `boxes` only those that meet `target` count.
    Cover(const Space& space, const Box& target, const std::vector<RuleBox>& boxes, Work& work);

    // kYes: each packet of the target, of which there may be none, is in a box. Adds the rules that show it
    // to `used`: enough of them, though not always the fewest.
    Answer ask(std::set<std::size_t>& used);

private:
    // A slot is a place of Region: the known dimensions and those of the unknown ones that matter here.
    using Slot = std::size_t;
    using Region = std::vector<const Ranges*>;
    // A box that meets the region, and the parts of it (a bit for each) that the region stands out of.
    struct Active {
        const RuleBox* box = nullptr;
        std::uint64_t open = 0;
    };
    using Actives = std::vector<Active>;
    enum class Step : std::uint8_t { kYes, kNo, kUnknown, kSmaller, kStuck };

    void collect_unknown(const Box& box);
    // nullopt: the box does not meet the region.
    [[nodiscard]] std::optional<std::uint64_t> open_parts(const Box& box, const Region& region) const;
    Answer cover(Region region, Actives actives, std::size_t depth);
    Step step(Region& region, Actives& actives, std::size_t depth);
    Step take_away(Region& region, Actives& actives);
    Step look_beyond(Region& region, Actives& actives, std::size_t depth);
    Step split(Region& region, Actives& actives, std::size_t depth);

    // Looks at the region with `outside` in the slot; when that is covered, goes on with `inside`.
    Step part(Region& region, Actives& actives, Slot slot, Ranges outside, Ranges inside, std::size_t depth);
    // False when nothing is left.
    bool narrow(Region& region, Actives& actives, Slot slot, Ranges values);
    // What those boxes together reach in the slot, but for the ones that reach everything there.
    Ranges reach(const Region& region, const Actives& actives, Slot slot);
    [[nodiscard]] std::vector<const Box*> packets_in(const Region& region) const;
    bool finds_one_outside(const Region& region, const Actives& actives,
                           const std::vector<const Box*>& packets);
    [[nodiscard]] Slot slot_of(Dimension dimension) const;
    [[nodiscard]] const Ranges* open_values(const Active& active, Slot slot) const;

    const Space& space_;
    const Box& box_;
    const std::vector<RuleBox>& boxes_;
    Work& work_;
    std::vector<Dimension> unknown_;  // the slots behind the known dimensions
    std::deque<Ranges> made_;
    std::set<std::size_t> used_;
    Dice dice_;
};

}  // namespace fwctl::analyze
