// The blocks that the rules of one policy name: networks within networks, hosts within them, and the same
// ones again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "generate/random.h"
#include "policy/model.h"

namespace fwctl::generate {

class Networks {
public:
    // About `count` blocks of either family, of which so many percent are single addresses.
    Networks(std::size_t count, unsigned hosts, Random& random);

    const policy::Prefix& pick(policy::Family family, Random& random) const;

private:
    void grow(std::vector<policy::Prefix>& blocks, policy::Family family, unsigned hosts, Random& random);

    std::vector<policy::Prefix> ipv4_;
    std::vector<policy::Prefix> ipv6_;
};

}  // namespace fwctl::generate
