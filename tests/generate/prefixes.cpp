#include "generate/prefixes.h"

#include <algorithm>
#include <span>

#include "generate/address.h"
#include "generate/random.h"

namespace fwctl::generate {

using policy::Family;
using policy::Prefix;

namespace {

struct Share {
    unsigned percent;
    std::uint8_t length;
};

// Published lists of hosts; where a list has networks, they are /24 above all.
constexpr Share kFeedIpv4[] = {{80, 32}, {10, 24}, {2, 29}, {2, 28}, {2, 23},
                               {1, 22},  {1, 21},  {1, 20}, {1, 16}};
constexpr Share kFeedIpv6[] = {{30, 128}, {45, 64}, {5, 56}, {15, 48}, {5, 32}};
// Shares of a table of the default-free zone (CIDR report, about).
constexpr Share kRoutesIpv4[] = {{60, 24}, {10, 23}, {12, 22}, {5, 21}, {5, 20},
                                 {3, 19},  {2, 18},  {1, 17},  {2, 16}};
constexpr Share kRoutesIpv6[] = {{50, 48}, {4, 46}, {8, 44},  {3, 42}, {8, 40},
                                 {5, 36},  {5, 33}, {14, 32}, {3, 29}};

std::span<const Share> shares(PrefixKind kind, Family family) {
    if (kind == PrefixKind::kFeed)
        return family == Family::kIpv4 ? std::span<const Share>(kFeedIpv4) : kFeedIpv6;
    return family == Family::kIpv4 ? std::span<const Share>(kRoutesIpv4) : kRoutesIpv6;
}

std::uint8_t draw_length(std::span<const Share> shares, Random& random) {
    std::uint64_t left = random.below(100);
    for (const Share& share : shares) {
        if (left < share.percent) return share.length;
        left -= share.percent;
    }
    return shares.front().length;
}

// Somewhere in 1.0.0.0 to 223.255.255.255, or in 2000::/3.
Address public_address(Family family, Random& random) {
    Address address{};
    for (std::uint8_t& byte : address) byte = static_cast<std::uint8_t>(random.below(256));
    if (family == Family::kIpv6) {
        address[0] = static_cast<std::uint8_t>(0x20 | (address[0] & 0x1f));
        return address;
    }
    address[0] = static_cast<std::uint8_t>(1 + address[0] % 223);
    std::fill(address.begin() + 4, address.end(), std::uint8_t{0});
    return address;
}

// Networks that many entries of a feed come from: every sixth entry or so brings a new one.
std::vector<Prefix> bad_neighbourhoods(Family family, std::size_t count, Random& random) {
    const std::uint8_t length = family == Family::kIpv4 ? 24 : 48;
    std::vector<Prefix> networks;
    for (std::size_t i = 0; i < count / 6 + 1; ++i)
        networks.push_back(block_around(family, public_address(family, random), length));
    return networks;
}

Prefix draw_feed_entry(Family family, const std::vector<Prefix>& networks, Random& random) {
    const std::uint8_t length = draw_length(shares(PrefixKind::kFeed, family), random);
    const Prefix network = networks[random.below(networks.size())];
    if (length < network.length) return block_around(family, network.address, length);
    return any_within(network, length, random);
}

Prefix draw_route(Family family, const std::vector<Prefix>& others, Random& random) {
    const std::uint8_t length = draw_length(shares(PrefixKind::kRoutes, family), random);
    const bool nests = !others.empty() && random.percent(40);
    for (int tries = nests ? 4 : 0; tries > 0; --tries) {
        const Prefix& shorter = random.pick(others);
        if (shorter.length < length) return any_within(shorter, length, random);
    }
    return block_around(family, public_address(family, random), length);
}

void sort_unique(std::vector<Prefix>& prefixes) {
    std::sort(prefixes.begin(), prefixes.end());
    prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
}

}  // namespace

std::vector<Prefix> generate_prefixes(PrefixKind kind, Family family, std::size_t count, std::uint64_t seed) {
    Random random(seed);
    const std::vector<Prefix> networks =
        kind == PrefixKind::kFeed ? bad_neighbourhoods(family, count, random) : std::vector<Prefix>{};
    std::vector<Prefix> prefixes;
    while (prefixes.size() < count) {  // again while there are duplicates
        const std::size_t missing = count - prefixes.size();
        for (std::size_t i = 0; i < missing; ++i)
            prefixes.push_back(kind == PrefixKind::kFeed ? draw_feed_entry(family, networks, random)
                                                         : draw_route(family, prefixes, random));
        sort_unique(prefixes);
    }
    return prefixes;
}

}  // namespace fwctl::generate
