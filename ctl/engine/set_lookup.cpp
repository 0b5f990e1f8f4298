#include "engine/set_lookup.h"

#include <algorithm>

#include "policy/prefix.h"

namespace fwctl::engine {

using policy::Prefix;

std::optional<Prefix> find_covering(const std::vector<Prefix>& reduced, const Prefix& address) {
    for (unsigned length = 0; length <= address.length; ++length) {
        const Prefix block = policy::cut(address, static_cast<std::uint8_t>(length));
        if (std::binary_search(reduced.begin(), reduced.end(), block)) return block;
    }
    return std::nullopt;
}

std::optional<Prefix> find_member(const Store& store, const MainTier& main, const std::string& set,
                                  const Prefix& address) {
    const auto number = std::find(main.dynamic_sets.begin(), main.dynamic_sets.end(), set);
    if (number == main.dynamic_sets.end()) return std::nullopt;
    DynamicSet named;
    named.number = static_cast<std::uint32_t>(number - main.dynamic_sets.begin());
    const auto member = store.members(named).find(address);
    return member && *member ? std::optional((*member)->prefix) : std::nullopt;
}

}  // namespace fwctl::engine
