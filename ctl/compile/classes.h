// Classes of addresses: which constraints of one end hold where.
//
// Promises: every address is in exactly one class, two addresses are in the same one when the same
// constraints hold for them. Class 0 is that of no constraint: of packets that are not IP among others.
// Deterministic.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "compile/constraint.h"

namespace fwctl::compile {

using ClassNumber = std::uint32_t;

// Where each class begins; the first entry is address 0. Neighbours differ.
template <typename Key>
struct ClassMap {
    std::vector<Key> starts;
    std::vector<ClassNumber> classes;
};

// The constraints that hold at one address. The hash is kept up as they come and go, since next to each other
// there are often thousands that stay.
struct Members {
    std::vector<std::uint32_t> numbers;  // ascending
    std::uint64_t hash = 0;

    // Takes the number out where it is, puts it in where it is not.
    void toggle(std::uint32_t number);
};

class Classes {
public:
    // Constraint 0, which says nothing, is left out.
    explicit Classes(const Constraints& constraints);

    [[nodiscard]] const ClassMap<std::uint32_t>& ipv4() const { return ipv4_; }
    [[nodiscard]] const ClassMap<Uint128>& ipv6() const { return ipv6_; }

    // By class: the constraints that hold there, ascending.
    [[nodiscard]] const std::vector<std::vector<std::uint32_t>>& members() const { return members_; }
    // By constraint: how many classes it is made of.
    [[nodiscard]] const std::vector<std::uint32_t>& sizes() const { return sizes_; }

private:
    template <typename Key>
    ClassMap<Key> sweep(const Constraints& constraints, const Intervals<Key> Blocks::*family);
    ClassNumber class_of(const Members& members);

    ClassMap<std::uint32_t> ipv4_;
    ClassMap<Uint128> ipv6_;
    std::vector<std::vector<std::uint32_t>> members_;
    std::vector<std::uint32_t> sizes_;
    std::unordered_multimap<std::uint64_t, ClassNumber> known_;  // by the hash of their members
};

}  // namespace fwctl::compile
