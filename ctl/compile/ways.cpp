#include "compile/ways.h"

#include <algorithm>
#include <cstddef>

namespace fwctl::compile {
namespace {

// What the parts take together: a million pairs are some 17 MB.
constexpr std::size_t kPairBudget = std::size_t{1} << 20;
constexpr std::size_t kPairsPerRule = 32;
constexpr std::size_t kLeafBudget = std::size_t{1} << 20;
constexpr std::size_t kLeafRowsPerRule = 16;

// A rule that would take more than this is broad.
constexpr std::size_t kMostPairs = 1 << 16;
constexpr std::size_t kMostClasses = 1 << 14;

struct Limits {
    std::size_t pairs = kMostPairs;
    std::size_t classes = kMostClasses;
};

struct Sizes {
    std::size_t source = 0;  // classes; 0: the rule names no address at that end
    std::size_t destination = 0;
};

Way way_of(const Sizes& sizes, const Limits& limits) {
    const bool source = sizes.source != 0 && sizes.source <= limits.classes;
    const bool destination = sizes.destination != 0 && sizes.destination <= limits.classes;
    if (source && destination && sizes.source * sizes.destination <= limits.pairs) return Way::kPair;
    if (source && destination) return sizes.source <= sizes.destination ? Way::kSource : Way::kDestination;
    if (source) return Way::kSource;
    return destination ? Way::kDestination : Way::kRest;
}

}  // namespace

std::vector<Way> choose_ways(std::span<const Ends> ends, const Classes& sources,
                             const Classes& destinations) {
    std::vector<Sizes> sizes;
    const auto classes_of = [](std::uint32_t constraint, const Classes& classes) {
        return constraint == 0 ? 0 : std::max<std::size_t>(1, classes.sizes()[constraint]);
    };
    for (const Ends& rule : ends)
        sizes.push_back({classes_of(rule.source, sources), classes_of(rule.destination, destinations)});
    const std::size_t pair_budget = kPairBudget + kPairsPerRule * ends.size();
    const std::size_t leaf_budget = kLeafBudget + kLeafRowsPerRule * ends.size();

    Limits limits;
    std::vector<Way> ways(ends.size());
    while (true) {
        std::size_t pairs = 0;
        std::size_t leaf_rows = 0;
        for (std::size_t i = 0; i < ends.size(); ++i) {
            ways[i] = way_of(sizes[i], limits);
            if (ways[i] == Way::kPair) pairs += sizes[i].source * sizes[i].destination;
            if (ways[i] == Way::kSource) leaf_rows += sizes[i].source;
            if (ways[i] == Way::kDestination) leaf_rows += sizes[i].destination;
        }
        if (pairs <= pair_budget && leaf_rows <= leaf_budget) return ways;
        if (pairs > pair_budget) limits.pairs /= 2;
        if (leaf_rows > leaf_budget) limits.classes /= 2;
    }
}

}  // namespace fwctl::compile
