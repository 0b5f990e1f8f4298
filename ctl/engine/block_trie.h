// The blocks of all dynamic sets: prefixes that are no single addresses, in the one trie `members`.
//
// Promises: a set's blocks stand under one of its two numbers (fw_trie_number() of abi/members.h), so that
// others can be made ready beside them. A block whose time is over stands there until somebody takes it out.
// How many stand there is for the caller to count, in fw_set.prefixes. Edits need the Lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "fwctl/abi/policy.h"
#include "kernel/map.h"
#include "policy/model.h"

namespace fwctl::engine {

struct Member {
    policy::Prefix prefix;
    std::uint64_t expires = 0;  // nanoseconds of CLOCK_MONOTONIC; 0: never
};

bool is_over(const fw_member& member, std::uint64_t now);

// Those whose time is not over, by the number in the trie.
using BlockCounts = std::vector<std::size_t>;

class BlockTrie {
public:
    explicit BlockTrie(const kernel::Map& map) : map_(&map) {}

    // The block itself, its time over or not.
    [[nodiscard]] std::optional<fw_member> exact(std::uint32_t number, const policy::Prefix& block) const;
    // The narrowest block that has the address.
    [[nodiscard]] std::optional<Member> covering(std::uint32_t number, const policy::Prefix& address,
                                                 std::uint64_t now) const;
    // Those whose time is not over.
    [[nodiscard]] Result<std::vector<Member>> list(std::uint32_t number, std::uint64_t now) const;
    [[nodiscard]] Result<BlockCounts> counts(std::uint64_t now) const;
    // Over or not.
    [[nodiscard]] std::size_t count(std::uint32_t number) const;

    // How many blocks there may be, of all sets together.
    [[nodiscard]] std::uint64_t limit() const { return map_->max_entries(); }

    // False: the trie is full. Some kernels say so of a block that is there, too.
    [[nodiscard]] Result<bool> put(std::uint32_t number, const policy::Prefix& block,
                                   std::uint64_t expires) const;
    [[nodiscard]] Status erase(std::uint32_t number, const policy::Prefix& block) const;
    // How many there were.
    [[nodiscard]] Result<std::size_t> erase_all(std::uint32_t number) const;
    [[nodiscard]] Result<std::size_t> erase_over(std::uint32_t number, std::uint64_t now) const;

private:
    [[nodiscard]] std::vector<fw_member_key> keys(std::uint32_t number) const;

    const kernel::Map* map_;
};

}  // namespace fwctl::engine
