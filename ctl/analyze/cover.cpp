#include "analyze/cover.h"

#include <bit>
#include <iterator>
#include <utility>

namespace fwctl::analyze {

namespace {

constexpr std::size_t kMaxDepth = 1000;  // of the recursion
constexpr std::size_t kMaxParts = 64;    // bits of Active::open
constexpr std::size_t kTries = 2;
constexpr std::size_t kStepsForBox = 4;  // to compare one with the target

constexpr std::uint64_t bit(std::size_t part) {
    return std::uint64_t{1} << part;
}

}  // namespace

Cover::Cover(const Space& space, const Box& target, const std::vector<RuleBox>& boxes, Work& work)
    : space_(space), box_(target), boxes_(boxes), work_(work) {
    collect_unknown(target);
    for (const RuleBox& box : boxes) {
        collect_unknown(*box.box);
    }
    std::sort(unknown_.begin(), unknown_.end());
    unknown_.erase(std::unique(unknown_.begin(), unknown_.end()), unknown_.end());
}

void Cover::collect_unknown(const Box& box) {
    for (auto part = box.rbegin(); part != box.rend() && part->dimension >= kKnownDimensions; ++part) {
        unknown_.push_back(part->dimension);
    }
}

Cover::Slot Cover::slot_of(Dimension dimension) const {
    if (dimension < kKnownDimensions) {
        return dimension;
    }
    const auto place = std::lower_bound(unknown_.begin(), unknown_.end(), dimension);
    return kKnownDimensions + static_cast<Slot>(place - unknown_.begin());
}

Answer Cover::ask(std::set<std::size_t>& used) {
    Region region(kKnownDimensions + unknown_.size());
    for (Dimension dimension = 0; dimension < kKnownDimensions; ++dimension) {
        region[dimension] = space_.everything(dimension);
    }
    for (const Dimension dimension : unknown_) {
        region[slot_of(dimension)] = space_.everything(dimension);
    }
    for (const Part& part : box_) {
        region[slot_of(part.dimension)] = part.values;
    }
    work_.spend(kStepsForBox * boxes_.size());
    Actives actives;
    for (const RuleBox& box : boxes_) {
        if (const auto open = open_parts(*box.box, region)) {
            actives.push_back({&box, *open});
        }
    }
    used_.clear();
    const Answer answer = cover(std::move(region), std::move(actives), 0);
    if (answer == Answer::kYes) {
        used.insert(used_.begin(), used_.end());
    }
    return answer;
}

std::optional<std::uint64_t> Cover::open_parts(const Box& box, const Region& region) const {
    if (box.size() > kMaxParts) {
        return std::nullopt;  // without it the question can but be left open
    }
    std::uint64_t open = 0;
    for (std::size_t part = 0; part < box.size(); ++part) {
        const Ranges& there = *region[slot_of(box[part].dimension)];
        if (there.within(*box[part].values)) {
            continue;
        }
        if (there.disjoint(*box[part].values)) {
            return std::nullopt;
        }
        open |= bit(part);
    }
    return open;
}

Answer Cover::cover(Region region, Actives actives, std::size_t depth) {
    if (depth > kMaxDepth) {
        return Answer::kUnknown;
    }
    const std::size_t made_before = made_.size();
    Step last = Step::kSmaller;
    while (last == Step::kSmaller) {
        last = step(region, actives, depth);
    }
    made_.resize(made_before);
    return last == Step::kYes ? Answer::kYes : last == Step::kNo ? Answer::kNo : Answer::kUnknown;
}

Cover::Step Cover::step(Region& region, Actives& actives, std::size_t depth) {
    if (!work_.spend(space_.packets().size() + actives.size())) {
        return Step::kUnknown;
    }
    const auto whole =
        std::find_if(actives.begin(), actives.end(), [](const Active& active) { return active.open == 0; });
    if (whole != actives.end()) {
        used_.insert(whole->box->rule);
        return Step::kYes;
    }
    const auto packets = packets_in(region);
    if (packets.empty()) {
        return Step::kYes;
    }
    if (actives.empty() || finds_one_outside(region, actives, packets)) {
        return Step::kNo;
    }
    Step taken = take_away(region, actives);
    if (taken == Step::kStuck) {
        taken = look_beyond(region, actives, depth);
    }
    return taken == Step::kStuck ? split(region, actives, depth) : taken;
}

Cover::Step Cover::take_away(Region& region, Actives& actives) {
    const auto one_open = std::find_if(actives.begin(), actives.end(),
                                       [](const Active& active) { return std::has_single_bit(active.open); });
    if (one_open == actives.end()) {
        return Step::kStuck;
    }
    const auto part = static_cast<std::size_t>(std::countr_zero(one_open->open));
    const Slot slot = slot_of((*one_open->box->box)[part].dimension);
    Actives taken;
    std::copy_if(actives.begin(), actives.end(), std::back_inserter(taken), [&](const Active& active) {
        return std::has_single_bit(active.open) && open_values(active, slot) != nullptr;
    });
    for (const Active& active : taken) {
        used_.insert(active.box->rule);
    }
    Ranges rest = region[slot]->without(reach(region, taken, slot));
    return narrow(region, actives, slot, std::move(rest)) ? Step::kSmaller : Step::kYes;
}

Cover::Step Cover::look_beyond(Region& region, Actives& actives, std::size_t depth) {
    std::vector<std::pair<std::size_t, Slot>> open_at;  // by how many boxes
    for (Slot slot = 0; slot < region.size(); ++slot) {
        open_at.emplace_back(0, slot);
    }
    for (const Active& active : actives) {
        for (std::uint64_t open = active.open; open != 0; open &= open - 1) {
            const auto part = static_cast<std::size_t>(std::countr_zero(open));
            ++open_at[slot_of((*active.box->box)[part].dimension)].first;
        }
    }
    std::sort(open_at.rbegin(), open_at.rend());
    for (const auto& [count, slot] : open_at) {
        if (count == 0) {
            break;
        }
        const Ranges reached = reach(region, actives, slot);
        Ranges beyond = region[slot]->without(reached);
        if (!beyond.empty()) {
            return part(region, actives, slot, std::move(beyond), region[slot]->intersected(reached), depth);
        }
    }
    return Step::kStuck;
}

// Along the dimension in which fewest other boxes end elsewhere.
Cover::Step Cover::split(Region& region, Actives& actives, std::size_t depth) {
    const auto& nearest =
        *std::min_element(actives.begin(), actives.end(), [](const Active& one, const Active& other) {
            return std::popcount(one.open) < std::popcount(other.open);
        });
    Slot best = 0;
    std::size_t fewest = actives.size() + 1;
    for (std::uint64_t open = nearest.open; open != 0; open &= open - 1) {
        const Part& part = (*nearest.box->box)[static_cast<std::size_t>(std::countr_zero(open))];
        const Slot slot = slot_of(part.dimension);
        const auto ends_elsewhere = [&](const Active& active) {
            const Ranges* values = open_values(active, slot);
            return values != nullptr && values != part.values;
        };
        const auto count =
            static_cast<std::size_t>(std::count_if(actives.begin(), actives.end(), ends_elsewhere));
        if (count < fewest) {
            fewest = count;
            best = slot;
        }
    }
    const Ranges& values = *open_values(nearest, best);
    return part(region, actives, best, region[best]->without(values), region[best]->intersected(values),
                depth);
}

Cover::Step Cover::part(Region& region, Actives& actives, Slot slot, Ranges outside, Ranges inside,
                        std::size_t depth) {
    Region outer = region;
    Actives outer_actives = actives;
    narrow(outer, outer_actives, slot, std::move(outside));
    const Answer answer = cover(std::move(outer), std::move(outer_actives), depth + 1);
    if (answer != Answer::kYes) {
        return answer == Answer::kNo ? Step::kNo : Step::kUnknown;
    }
    return narrow(region, actives, slot, std::move(inside)) ? Step::kSmaller : Step::kYes;
}

bool Cover::narrow(Region& region, Actives& actives, Slot slot, Ranges values) {
    work_.spend(values.size());
    if (values.empty()) {
        return false;
    }
    made_.push_back(std::move(values));
    region[slot] = &made_.back();
    std::size_t kept = 0;
    for (Active active : actives) {
        const Box& box = *active.box->box;
        bool meets = true;
        for (std::uint64_t open = active.open; open != 0; open &= open - 1) {
            const auto part = static_cast<std::size_t>(std::countr_zero(open));
            if (slot_of(box[part].dimension) != slot) {
                continue;
            }
            work_.spend(std::min(box[part].values->size(), region[slot]->size()));
            meets = !region[slot]->disjoint(*box[part].values);
            if (meets && region[slot]->within(*box[part].values)) {
                active.open &= ~bit(part);
            }
        }
        if (meets) {
            actives[kept++] = active;
        }
    }
    actives.resize(kept);
    return true;
}

Ranges Cover::reach(const Region& region, const Actives& actives, Slot slot) {
    std::vector<const Ranges*> all;
    for (const Active& active : actives) {
        if (const Ranges* values = open_values(active, slot)) {
            all.push_back(values);
        }
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    std::vector<Span> spans;
    for (const Ranges* values : all) {
        const Ranges inside = region[slot]->intersected(*values);
        work_.spend(1 + inside.size());
        spans.insert(spans.end(), inside.spans().begin(), inside.spans().end());
    }
    return Ranges(std::move(spans));
}

std::vector<const Box*> Cover::packets_in(const Region& region) const {
    std::vector<const Box*> possible;
    for (const Box& box : space_.packets()) {
        const bool meets = std::none_of(box.begin(), box.end(), [&](const Part& part) {
            return part.values->disjoint(*region[slot_of(part.dimension)]);
        });
        if (meets) {
            possible.push_back(&box);
        }
    }
    return possible;
}

// Tries some packets: most regions that are not covered are not by far.
bool Cover::finds_one_outside(const Region& region, const Actives& actives,
                              const std::vector<const Box*>& packets) {
    std::vector<Number> packet(region.size());
    for (std::size_t tries = kTries; tries > 0; --tries) {
        for (Slot slot = 0; slot < region.size(); ++slot) {
            packet[slot] = any_of(*region[slot], dice_);
        }
        for (const Part& part : *packets[dice_() % packets.size()]) {
            const Slot slot = slot_of(part.dimension);
            packet[slot] = any_of(region[slot]->intersected(*part.values), dice_);
        }
        std::size_t looked_at = 0;
        const auto holds_it = [&](const Active& active) {
            ++looked_at;
            for (std::uint64_t open = active.open; open != 0; open &= open - 1) {
                const Part& part = (*active.box->box)[static_cast<std::size_t>(std::countr_zero(open))];
                if (!part.values->contains(packet[slot_of(part.dimension)])) {
                    return false;
                }
            }
            return true;
        };
        const bool is_outside = std::none_of(actives.begin(), actives.end(), holds_it);
        work_.spend(looked_at);
        if (is_outside) {
            return true;
        }
    }
    return false;
}

const Ranges* Cover::open_values(const Active& active, Slot slot) const {
    for (std::uint64_t open = active.open; open != 0; open &= open - 1) {
        const Part& part = (*active.box->box)[static_cast<std::size_t>(std::countr_zero(open))];
        if (slot_of(part.dimension) == slot) {
            return part.values;
        }
    }
    return nullptr;
}

}  // namespace fwctl::analyze
