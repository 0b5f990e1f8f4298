#include "compile/constraint.h"

#include <algorithm>
#include <limits>

namespace fwctl::compile {
namespace {

using policy::Addresses;
using policy::Family;
using policy::Prefix;

template <typename Key>
Interval<Key> interval_of(const Prefix& prefix) {
    constexpr unsigned kBits = std::numeric_limits<Key>::digits == 0 ? 128 : sizeof(Key) * 8;
    Key first = 0;
    for (std::size_t i = 0; i < sizeof(Key); ++i) first = static_cast<Key>(first << 8 | prefix.address[i]);
    const Key rest = prefix.length == 0 ? static_cast<Key>(~Key{0})
                                        : static_cast<Key>((Key{1} << (kBits - prefix.length)) - 1);
    return {first, static_cast<Key>(first | rest)};
}

template <typename Key>
void merge(Intervals<Key>& intervals) {
    // Sets come in runs, one of each length of prefix: merging them is a third of the work of std::sort.
    if (!std::is_sorted(intervals.begin(), intervals.end()))
        std::stable_sort(intervals.begin(), intervals.end());
    std::size_t kept = 0;
    for (const Interval<Key>& next : intervals) {
        if (kept > 0 &&
            (next.first <= intervals[kept - 1].last || next.first == intervals[kept - 1].last + 1))
            intervals[kept - 1].last = std::max(intervals[kept - 1].last, next.last);
        else
            intervals[kept++] = next;
    }
    intervals.resize(kept);
}

template <typename Key>
Intervals<Key> without(const Intervals<Key>& from, const Intervals<Key>& what) {
    Intervals<Key> left;
    std::size_t next = 0;
    for (Interval<Key> piece : from) {
        while (next < what.size() && what[next].last < piece.first) ++next;
        bool used_up = false;
        for (std::size_t i = next; i < what.size() && what[i].first <= piece.last; ++i) {
            if (what[i].first > piece.first)
                left.push_back({piece.first, static_cast<Key>(what[i].first - 1)});
            used_up = what[i].last >= piece.last;
            if (used_up) break;
            piece.first = what[i].last + 1;
        }
        if (!used_up) left.push_back(piece);
    }
    return left;
}

void add(Blocks& to, const Blocks& more) {
    to.ipv4.insert(to.ipv4.end(), more.ipv4.begin(), more.ipv4.end());
    to.ipv6.insert(to.ipv6.end(), more.ipv6.begin(), more.ipv6.end());
}

Blocks everything() {
    Blocks blocks;
    blocks.ipv4.push_back({0, std::numeric_limits<std::uint32_t>::max()});
    blocks.ipv6.push_back({0, ~Uint128{0}});
    return blocks;
}

}  // namespace

Blocks blocks_of(const std::vector<Prefix>& prefixes) {
    Blocks blocks;
    for (const Prefix& prefix : prefixes) {
        if (prefix.family == Family::kIpv4)
            blocks.ipv4.push_back(interval_of<std::uint32_t>(prefix));
        else
            blocks.ipv6.push_back(interval_of<Uint128>(prefix));
    }
    merge(blocks.ipv4);
    merge(blocks.ipv6);
    return blocks;
}

SetBlocks::SetBlocks(const std::vector<policy::Set>& sets) {
    for (const policy::Set& set : sets) sets_[set.name] = &set;
}

bool SetBlocks::is_dynamic(const std::string& name) const {
    const auto set = sets_.find(name);
    return set != sets_.end() && set->second->dynamic;
}

const std::shared_ptr<const Blocks>& SetBlocks::of(const std::string& name) {
    std::shared_ptr<const Blocks>& blocks = blocks_[name];
    if (!blocks) {
        const auto set = sets_.find(name);
        blocks = std::make_shared<Blocks>(set == sets_.end() ? Blocks{} : blocks_of(set->second->elements));
    }
    return blocks;
}

Constraints::Constraints(SetBlocks& sets) : sets_(sets) {
    blocks_.push_back(std::make_shared<Blocks>(everything()));
    numbers_[Addresses{}] = 0;
}

std::uint32_t Constraints::number_of(const Addresses& addresses) {
    Addresses fixed{addresses.prefixes, {}, addresses.except, {}};
    const auto keep = [&](const std::string& name) { return !sets_.is_dynamic(name); };
    std::copy_if(addresses.sets.begin(), addresses.sets.end(), std::back_inserter(fixed.sets), keep);
    std::copy_if(addresses.except_sets.begin(), addresses.except_sets.end(),
                 std::back_inserter(fixed.except_sets), keep);
    const auto [entry, is_new] =
        numbers_.try_emplace(std::move(fixed), static_cast<std::uint32_t>(blocks_.size()));
    if (is_new) blocks_.push_back(make(entry->first));
    return entry->second;
}

std::shared_ptr<const Blocks> Constraints::make(const Addresses& addresses) {
    const bool only_one_set = addresses.sets.size() == 1 && addresses.prefixes.empty() &&
                              addresses.except.empty() && addresses.except_sets.empty();
    if (only_one_set) return sets_.of(addresses.sets.front());

    Blocks blocks = blocks_of(addresses.prefixes);
    for (const std::string& name : addresses.sets) add(blocks, *sets_.of(name));
    if (addresses.prefixes.empty() && addresses.sets.empty()) blocks = everything();
    Blocks except = blocks_of(addresses.except);
    for (const std::string& name : addresses.except_sets) add(except, *sets_.of(name));
    merge(blocks.ipv4);
    merge(blocks.ipv6);
    merge(except.ipv4);
    merge(except.ipv6);
    return std::make_shared<Blocks>(
        Blocks{without(blocks.ipv4, except.ipv4), without(blocks.ipv6, except.ipv6)});
}

}  // namespace fwctl::compile
