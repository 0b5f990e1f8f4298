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

// Takes the number out where it is, puts it in where it is not.
void toggle(std::vector<std::uint32_t>& members, std::uint32_t number) {
    const auto place = std::lower_bound(members.begin(), members.end(), number);
    if (place != members.end() && *place == number)
        members.erase(place);
    else
        members.insert(place, number);
}

}  // namespace

// FNV-1a by words (Fowler, Noll, Vo); a table of our own makes, which nobody outside fills.
std::size_t Classes::Hash::operator()(const std::vector<std::uint32_t>& members) const {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const std::uint32_t member : members) hash = (hash ^ member) * 0x100000001b3U;
    return hash ^ hash >> 32;
}

Classes::Classes(const Constraints& constraints) : parts_(constraints.size()) {
    class_of({});
    ipv4_ = sweep<std::uint32_t>(constraints, &Blocks::ipv4);
    ipv6_ = sweep<Uint128>(constraints, &Blocks::ipv6);
}

ClassNumber Classes::class_of(const std::vector<std::uint32_t>& members) {
    const auto [entry, is_new] = numbers_.try_emplace(members, static_cast<ClassNumber>(members_.size()));
    if (is_new) {
        members_.push_back(members);
        for (const std::uint32_t constraint : members) parts_[constraint].push_back(entry->second);
    }
    return entry->second;
}

template <typename Key>
ClassMap<Key> Classes::sweep(const Constraints& constraints, const Intervals<Key> Blocks::*family) {
    const std::vector<Edge<Key>> edges = edges_of(constraints, family);
    ClassMap<Key> map;
    std::vector<std::uint32_t> members;
    if (edges.empty() || edges.front().at != 0) {
        map.starts.push_back(0);
        map.classes.push_back(class_of(members));
    }
    for (std::size_t i = 0; i < edges.size();) {
        const Key at = edges[i].at;
        for (; i < edges.size() && edges[i].at == at; ++i) toggle(members, edges[i].constraint);
        const ClassNumber number = class_of(members);
        if (!map.classes.empty() && map.classes.back() == number) continue;
        map.starts.push_back(at);
        map.classes.push_back(number);
    }
    return map;
}

}  // namespace fwctl::compile
