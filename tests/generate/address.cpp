#include "generate/address.h"

#include <cstddef>

#include "policy/prefix.h"

namespace fwctl::generate {

using policy::Family;
using policy::Prefix;

namespace {

// What of that byte lies behind the first `length` bits.
std::uint8_t host_bits(std::size_t byte, std::size_t length) {
    if (length <= byte * 8) return 0xff;
    if (length >= byte * 8 + 8) return 0;
    return static_cast<std::uint8_t>(0xff >> (length - byte * 8));
}

std::size_t bytes_of(Family family) {
    return policy::address_bits(family) / std::size_t{8};
}

}  // namespace

Prefix block_around(Family family, const Address& address, std::uint8_t length) {
    Prefix block{family, length, {}};
    for (std::size_t i = 0; i < bytes_of(family); ++i)
        block.address[i] = static_cast<std::uint8_t>(address[i] & ~host_bits(i, length));
    return block;
}

Address first_of(const Prefix& prefix) {
    return prefix.address;
}

Address last_of(const Prefix& prefix) {
    Address address = prefix.address;
    for (std::size_t i = 0; i < bytes_of(prefix.family); ++i)
        address[i] = static_cast<std::uint8_t>(address[i] | host_bits(i, prefix.length));
    return address;
}

Address next(Family family, Address address) {
    for (std::size_t i = bytes_of(family); i-- > 0;)
        if (++address[i] != 0) break;
    return address;
}

Address previous(Family family, Address address) {
    for (std::size_t i = bytes_of(family); i-- > 0;)
        if (address[i]-- != 0) break;
    return address;
}

Address any_of(const Prefix& prefix, Random& random) {
    Address address = prefix.address;
    for (std::size_t i = prefix.length / std::size_t{8}; i < bytes_of(prefix.family); ++i)
        address[i] =
            static_cast<std::uint8_t>(address[i] | (random.below(256) & host_bits(i, prefix.length)));
    return address;
}

Prefix any_within(const Prefix& prefix, std::uint8_t length, Random& random) {
    return block_around(prefix.family, any_of(prefix, random), length);
}

}  // namespace fwctl::generate
