// Reads a bank as the programs do, written from include/fwctl/abi/image.h alone: the slow and obvious way.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "compile/bank.h"
#include "compile/constraint.h"
#include "fwctl/abi/image.h"
#include "fwctl/abi/policy.h"

namespace fwctl::compile {

class BankReader {
public:
    explicit BankReader(const Bank& bank) : bank_(bank) {}

    // The value of the last key, in ascending order, that is not above the sought one: every key is looked
    // at.
    template <typename Key>
    std::uint32_t find(Address address, Key sought) const {
        const auto tree = bank_.get<fw_tree>(address);
        std::optional<Key> best;
        std::uint32_t value = tree.below;
        for (std::size_t i = 0; i < std::size_t{tree.nodes} * FW_TREE_KEYS; ++i) {
            Key key = 0;
            const std::size_t byte = tree.keys * sizeof(std::uint32_t) + i * sizeof(Key);
            std::memcpy(&key, reinterpret_cast<const char*>(bank_.words().data()) + byte, sizeof(key));
            if (key > sought || (best && key < *best)) continue;
            best = key;
            value = bank_[tree.values + static_cast<Address>(i)];
        }
        return value;
    }

    // As a program walks the tree.
    template <typename Key>
    std::uint32_t walk(Address address, Key sought) const {
        const auto tree = bank_.get<fw_tree>(address);
        std::uint32_t value = tree.below;
        std::size_t node = 0;
        while (node < tree.nodes) {
            std::size_t rank = 0;
            for (std::size_t i = 0; i < FW_TREE_KEYS; ++i) {
                Key key = 0;
                const std::size_t byte =
                    tree.keys * sizeof(std::uint32_t) + (node * FW_TREE_KEYS + i) * sizeof(Key);
                std::memcpy(&key, reinterpret_cast<const char*>(bank_.words().data()) + byte, sizeof(key));
                if (key <= sought) ++rank;
            }
            if (rank > 0) value = bank_[tree.values + static_cast<Address>(node * FW_TREE_KEYS + rank - 1)];
            node = node * (FW_TREE_KEYS + 1) + 1 + rank;
        }
        return value;
    }

    std::uint32_t class_of(const fw_address_index& index, std::uint32_t address) const {
        if (index.ipv4 == 0) return index.outside[1];
        const std::uint32_t block = address >> 8;
        if (index.ipv4_known != 0 && (bank_[index.ipv4_known + block / 32] >> (block % 32) & 1) == 0)
            return index.outside[1];
        const std::uint32_t entry = bank_[index.ipv4 + (address >> 16)];
        if ((entry & FW_INDEX_IS_TREE) == 0) return entry;
        return find<std::uint16_t>(entry & ~1U, static_cast<std::uint16_t>(address));
    }

    std::uint32_t class_of(const fw_address_index& index, Uint128 address) const {
        if (index.ipv6 == 0) return index.outside[2];
        std::uint32_t entry = bank_[index.ipv6 + static_cast<Address>(address >> 112)];
        if ((entry & FW_INDEX_IS_TREE) != 0)
            entry = find<std::uint64_t>(entry & ~1U, static_cast<std::uint64_t>(address >> 64));
        if ((entry & FW_INDEX_IS_TREE) != 0)
            entry = find<std::uint64_t>(entry & ~1U, static_cast<std::uint64_t>(address));
        return entry;
    }

private:
    const Bank& bank_;
};

}  // namespace fwctl::compile
