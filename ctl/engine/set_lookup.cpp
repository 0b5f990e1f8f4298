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
    fw_member_key key{};
    key.set = static_cast<std::uint16_t>(number - main.dynamic_sets.begin());
    key.family = static_cast<std::uint8_t>(address.family);
    std::copy(address.address.begin(), address.address.end(), key.address);
    const std::uint64_t now = monotonic_now();
    // A member whose time is over hides the longer-lived block around it.
    for (std::uint32_t bits = address.length;;) {
        key.prefix_length = FW_MEMBER_KEY_FIXED_BITS + bits;
        const auto member = store.find_member(key);
        if (!member) return std::nullopt;
        if (member->expires == 0 || now < member->expires)
            return policy::cut(address, static_cast<std::uint8_t>(member->bits));
        if (member->bits == 0 || member->bits > bits) return std::nullopt;
        bits = member->bits - 1;
    }
}

}  // namespace fwctl::engine
