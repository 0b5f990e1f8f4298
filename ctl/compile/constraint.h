// What the rules of a tier say of one end: each different thing once, as blocks of addresses.
//
// Promises: equal constraints have the same number; number 0 is "any address, or none". Dynamic sets are not
// part of a constraint: they change without a compilation.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "policy/model.h"

namespace fwctl::compile {

__extension__ using Uint128 = unsigned __int128;

// IPv4 addresses as numbers, and IPv6 ones.
template <typename Key>
struct Interval {
    Key first = 0;
    Key last = 0;
    auto operator<=>(const Interval&) const = default;
};

// Ascending, none touching the next.
template <typename Key>
using Intervals = std::vector<Interval<Key>>;

struct Blocks {
    Intervals<std::uint32_t> ipv4;
    Intervals<Uint128> ipv6;
};

// All addresses of the prefixes.
Blocks blocks_of(const std::vector<policy::Prefix>& prefixes);

// The sets of a policy as blocks, each made once, when it is first asked for.
class SetBlocks {
public:
    explicit SetBlocks(const std::vector<policy::Set>& sets);
    [[nodiscard]] bool is_dynamic(const std::string& name) const;
    const std::shared_ptr<const Blocks>& of(const std::string& name);

private:
    std::map<std::string, const policy::Set*> sets_;
    std::map<std::string, std::shared_ptr<const Blocks>> blocks_;
};

class Constraints {
public:
    explicit Constraints(SetBlocks& sets);

    // Of the parts of `addresses` that are not dynamic.
    std::uint32_t number_of(const policy::Addresses& addresses);

    [[nodiscard]] std::size_t size() const { return blocks_.size(); }
    [[nodiscard]] const Blocks& blocks(std::uint32_t number) const { return *blocks_[number]; }

private:
    std::shared_ptr<const Blocks> make(const policy::Addresses& addresses);

    SetBlocks& sets_;
    std::map<policy::Addresses, std::uint32_t> numbers_;
    std::vector<std::shared_ptr<const Blocks>> blocks_;
};

}  // namespace fwctl::compile
