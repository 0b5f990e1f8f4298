#include "compile/address_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "bank_reader.h"
#include "generate/prefixes.h"
#include "policy/prefix.h"

namespace fwctl::compile {
namespace {

using policy::Addresses;
using policy::Family;
using policy::Prefix;

// Constraints over few and many blocks, some of them negated.
std::vector<Addresses> constraints_of(std::mt19937_64& random, Family family, std::size_t blocks) {
    const auto kind = random() % 2 == 0 ? generate::PrefixKind::kFeed : generate::PrefixKind::kRoutes;
    const std::vector<Prefix> prefixes = generate::generate_prefixes(kind, family, blocks, random());
    std::vector<Addresses> all(1 + random() % 6);
    for (const Prefix& prefix : prefixes) {
        Addresses& chosen = all[random() % all.size()];
        (random() % 8 == 0 ? chosen.except : chosen.prefixes).push_back(prefix);
    }
    for (Addresses& one : all) {
        std::sort(one.prefixes.begin(), one.prefixes.end());
        std::sort(one.except.begin(), one.except.end());
    }
    return all;
}

bool holds(const Addresses& addresses, Family family, const std::array<std::uint8_t, 16>& address) {
    const auto is_in = [&](const std::vector<Prefix>& prefixes) {
        return std::any_of(prefixes.begin(), prefixes.end(),
                           [&](const Prefix& prefix) { return policy::contains(prefix, family, address); });
    };
    return !is_in(addresses.except) && (addresses.prefixes.empty() || is_in(addresses.prefixes));
}

Uint128 number_of(const std::array<std::uint8_t, 16>& address, std::size_t bytes) {
    Uint128 number = 0;
    for (std::size_t i = 0; i < bytes; ++i) number = number << 8 | address[i];
    return number;
}

// At, before and behind the ends of a block; or anywhere.
std::array<std::uint8_t, 16> address_near(std::mt19937_64& random, const Prefix& prefix) {
    const std::size_t bytes = prefix.family == Family::kIpv4 ? 4 : 16;
    const std::size_t bits = bytes * 8;
    Uint128 number = number_of(prefix.address, bytes);
    const Uint128 size = prefix.length == 0 ? 0 : Uint128{1} << (bits - prefix.length);
    switch (random() % 5) {
        case 0:
            number -= 1;
            break;
        case 1:
            number += size - 1;
            break;
        case 2:
            number += size;
            break;
        case 3:
            number = (Uint128{random()} << 64 | random()) >> (128 - bits);
            break;
        default:
            break;
    }
    std::array<std::uint8_t, 16> address{};
    for (std::size_t i = 0; i < bytes; ++i)
        address[i] = static_cast<std::uint8_t>(number >> ((bytes - 1 - i) * 8));
    return address;
}

class AddressIndexTest : public ::testing::TestWithParam<std::pair<Family, std::size_t>> {};

TEST_P(AddressIndexTest, EveryAddressIsInTheClassOfTheConstraintsThatHoldForIt) {
    const auto [family, blocks] = GetParam();
    std::mt19937_64 random(7);
    for (int round = 0; round < (blocks > 1000 ? 3 : 20); ++round) {
        const std::vector<Addresses> all = constraints_of(random, family, blocks);
        SetBlocks sets({});
        Constraints constraints(sets);
        std::vector<std::uint32_t> numbers;
        for (const Addresses& one : all) numbers.push_back(constraints.number_of(one));
        const Classes classes(constraints);
        std::vector<Address> values;
        for (std::size_t i = 0; i < classes.members().size(); ++i)
            values.push_back(static_cast<Address>(i * 4 + 4));
        Bank bank;
        const fw_address_index index = put_address_index(bank, classes, values);
        const BankReader reader(bank);
        for (int i = 0; i < 300; ++i) {
            const auto& near = all[random() % all.size()];
            if (near.prefixes.empty()) continue;
            const auto address = address_near(random, near.prefixes[random() % near.prefixes.size()]);
            const std::uint32_t value =
                family == Family::kIpv4
                    ? reader.class_of(index, static_cast<std::uint32_t>(number_of(address, 4)))
                    : reader.class_of(index, number_of(address, 16));
            ASSERT_GE(value, 4U);
            const auto& members = classes.members()[value / 4 - 1];
            for (std::size_t k = 0; k < all.size(); ++k)
                ASSERT_EQ(
                    numbers[k] == 0 || std::find(members.begin(), members.end(), numbers[k]) != members.end(),
                    holds(all[k], family, address))
                    << "round " << round << ", "
                    << policy::format_prefix({family, policy::address_bits(family), address});
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, AddressIndexTest,
                         ::testing::Values(std::pair{Family::kIpv4, std::size_t{3}},
                                           std::pair{Family::kIpv4, std::size_t{300}},
                                           std::pair{Family::kIpv4, std::size_t{40000}},
                                           std::pair{Family::kIpv6, std::size_t{3}},
                                           std::pair{Family::kIpv6, std::size_t{300}},
                                           std::pair{Family::kIpv6, std::size_t{20000}}));

}  // namespace
}  // namespace fwctl::compile
