#include "generate/networks.h"

#include "generate/address.h"
#include "policy/prefix.h"

namespace fwctl::generate {

using policy::Family;
using policy::Prefix;

namespace {

constexpr std::uint8_t kTopIpv4[] = {8, 12, 15, 16, 16, 16};
constexpr std::uint8_t kTopIpv6[] = {29, 32, 32, 40, 44, 48};
constexpr std::uint8_t kLongerIpv4[] = {18, 20, 21, 22, 23, 24, 24, 24, 25, 26, 27, 28, 29, 30, 31};
constexpr std::uint8_t kLongerIpv6[] = {48, 52, 56, 60, 63, 64, 64, 64, 65, 96, 112, 120, 126, 127};

Prefix top_block(Family family, Random& random) {
    Address address{};
    for (std::uint8_t& byte : address) byte = static_cast<std::uint8_t>(random.below(256));
    const bool is_ipv4 = family == Family::kIpv4;
    address[0] = static_cast<std::uint8_t>(is_ipv4 ? 1 + address[0] % 223 : 0x20 | (address[0] & 0x1f));
    return block_around(family, address, is_ipv4 ? random.pick(kTopIpv4) : random.pick(kTopIpv6));
}

}  // namespace

Networks::Networks(std::size_t count, unsigned hosts, Random& random) {
    while (ipv4_.size() < count) grow(ipv4_, Family::kIpv4, hosts, random);
    while (ipv6_.size() < count) grow(ipv6_, Family::kIpv6, hosts, random);
}

void Networks::grow(std::vector<Prefix>& blocks, Family family, unsigned hosts, Random& random) {
    if (blocks.empty() || random.percent(8)) {
        blocks.push_back(top_block(family, random));
        return;
    }
    std::uint8_t length = policy::address_bits(family);
    if (!random.percent(hosts))
        length = family == Family::kIpv4 ? random.pick(kLongerIpv4) : random.pick(kLongerIpv6);
    const Prefix outer = random.pick(blocks);
    if (outer.length < length) blocks.push_back(any_within(outer, length, random));
}

const Prefix& Networks::pick(Family family, Random& random) const {
    const auto& blocks = family == Family::kIpv4 ? ipv4_ : ipv6_;
    // Some are named by many rules.
    return blocks[random.percent(30) ? random.skewed_below(blocks.size()) : random.below(blocks.size())];
}

}  // namespace fwctl::generate
