// Static search trees (struct fw_tree): the value of the last key that is not above the sought one.
//
// Promises: `keys` are strictly ascending, one value for each; below the first key holds `below`.
#pragma once

#include <cstdint>
#include <span>

#include "compile/bank.h"

namespace fwctl::compile {

Address put_tree(Bank& bank, std::uint32_t below, std::span<const std::uint16_t> keys,
                 std::span<const std::uint32_t> values);
Address put_tree(Bank& bank, std::uint32_t below, std::span<const std::uint64_t> keys,
                 std::span<const std::uint32_t> values);

}  // namespace fwctl::compile
