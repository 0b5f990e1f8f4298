#include "compile/classes.h"

#include <algorithm>
#include <limits>

namespace fwctl::compile {
namespace {

// A constraint begins or stops to hold at an address.
template <typename Key>
struct Edge {
    Key at = 0;
    std::uint32_t constraint = 0;
    auto operator<=>(const Edge&) const = default;
};

template <typename Key>
std::vector<Edge<Key>> edges_of(const Constraints& constraints, const Intervals<Key> Blocks::*family) {
    std::vector<Edge<Key>> edges;
    for (std::uint32_t number = 1; number < constraints.size(); ++number) {
        for (const Interval<Key>& interval : constraints.blocks(number).*family) {
            edges.push_back({interval.first, number});
            if (interval.last != static_cast<Key>(~Key{0}))
                edges.push_back({static_cast<Key>(interval.last + 1), number});
        }
    }
    if (!std::is_sorted(edges.begin(), edges.end())) std::sort(edges.begin(), edges.end());
    return edges;
}

// Those of SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t number) {
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9U;
    number = (number ^ number >> 27) * 0x94d049bb133111ebU;
    return number ^ number >> 31;
}

}  // namespace

void Members::toggle(std::uint32_t number) {
    hash ^= mixed(number);
    const auto place = std::lower_bound(numbers.begin(), numbers.end(), number);
    if (place != numbers.end() && *place == number)
        numbers.erase(place);
    else
        numbers.insert(place, number);
}

Classes::Classes(const Constraints& constraints) : sizes_(constraints.size()) {
    class_of({});
    ipv4_ = sweep<std::uint32_t>(constraints, &Blocks::ipv4);
    ipv6_ = sweep<Uint128>(constraints, &Blocks::ipv6);
}

ClassNumber Classes::class_of(const Members& members) {
    for (auto [known, end] = known_.equal_range(members.hash); known != end; ++known)
        if (members_[known->second] == members.numbers) return known->second;
    const auto number = static_cast<ClassNumber>(members_.size());
    known_.emplace(members.hash, number);
    members_.push_back(members.numbers);
    for (const std::uint32_t constraint : members.numbers) ++sizes_[constraint];
    return number;
}

template <typename Key>
ClassMap<Key> Classes::sweep(const Constraints& constraints, const Intervals<Key> Blocks::*family) {
    const std::vector<Edge<Key>> edges = edges_of(constraints, family);
    ClassMap<Key> map;
    Members members;
    if (edges.empty() || edges.front().at != 0) {
        map.starts.push_back(0);
        map.classes.push_back(class_of(members));
    }
    for (std::size_t i = 0; i < edges.size();) {
        const Key at = edges[i].at;
        for (; i < edges.size() && edges[i].at == at; ++i) members.toggle(edges[i].constraint);
        const ClassNumber number = class_of(members);
        if (!map.classes.empty() && map.classes.back() == number) continue;
        map.starts.push_back(at);
        map.classes.push_back(number);
    }
    return map;
}

}  // namespace fwctl::compile
