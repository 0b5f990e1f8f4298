// The members of one dynamic set: hosts in its table, prefixes in the trie.
//
// Promises: an edit takes effect at once, member by member; replace() all at once. An edit that is repeated
// changes nothing. A member that is there is prolonged, never shortened. What is over is no member, whether
// or not anybody has taken it out. Needs the Lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "engine/block_trie.h"
#include "engine/set_tables.h"
#include "kernel/map.h"
#include "policy/model.h"

namespace fwctl::engine {

// How many of the members that an edit names.
struct EditCounts {
    std::size_t done = 0;       // put in, or taken out
    std::size_t prolonged = 0;  // were there, and end later now
    std::size_t unchanged = 0;  // were there for at least as long; or were not there to be taken out
    std::size_t replaced = 0;   // put in, for each of which another one gave way
    std::size_t refused = 0;    // the set is full
    std::size_t crowded = 0;    // of those: blocks that the dynamic sets together have no room for
};

class SetMembers {
public:
    // `size`: how many members the set may have.
    SetMembers(const SetTables& tables, const kernel::Map& trie, std::uint32_t number, std::uint64_t size)
        : tables_(&tables), blocks_(trie), number_(number), size_(size) {}

    // Finishes what a command that was killed began. To be called before the edits.
    [[nodiscard]] Status settle() const;

    // `expires` 0: they stay for ever.
    [[nodiscard]] Result<EditCounts> add(const std::vector<policy::Prefix>& members,
                                         std::uint64_t expires) const;
    [[nodiscard]] Result<EditCounts> remove(const std::vector<policy::Prefix>& members) const;
    // What add() or remove() would do, but for the room.
    [[nodiscard]] Result<EditCounts> rehearse(const std::vector<policy::Prefix>& members,
                                              std::optional<std::uint64_t> expires) const;
    [[nodiscard]] Status flush() const;
    // How many blocks the dynamic sets together may have.
    [[nodiscard]] std::uint64_t blocks_limit() const { return blocks_.limit(); }
    // Packets see the members before or these, never a mix. An error when they are more than the size, or
    // when there is no room for their blocks beside those that are there.
    [[nodiscard]] Status check_room(const std::vector<policy::Prefix>& members) const;
    [[nodiscard]] Status replace(const std::vector<policy::Prefix>& members, std::uint64_t expires) const;

    // Those whose time is not over, sorted.
    [[nodiscard]] Result<std::vector<Member>> list() const;
    [[nodiscard]] Result<std::size_t> count() const;
    // With those whose time is over and that nobody has taken out: known without looking.
    [[nodiscard]] std::uint64_t most() const;
    // The narrowest member that has the address.
    [[nodiscard]] Result<std::optional<Member>> find(const policy::Prefix& address) const;

private:
    using Requests = std::vector<fw_set_request>;

    [[nodiscard]] fw_set_job job(fw_set_command command) const;
    [[nodiscard]] Status run(fw_set_command command, std::uint32_t table, std::uint64_t limit,
                             Requests& requests) const;
    [[nodiscard]] Result<std::uint64_t> for_each_bucket(fw_set_command command) const;
    [[nodiscard]] std::uint64_t hosts() const;
    [[nodiscard]] std::uint64_t hosts_limit() const;
    [[nodiscard]] std::uint64_t room() const;
    [[nodiscard]] Status sweep() const;
    [[nodiscard]] std::uint32_t trie_number() const;
    [[nodiscard]] Status add_block(const policy::Prefix& block, std::uint64_t expires,
                                   EditCounts& counts) const;
    [[nodiscard]] Status remove_block(const policy::Prefix& block, EditCounts& counts) const;
    [[nodiscard]] std::uint64_t all_blocks() const;
    [[nodiscard]] Status refuse_blocks(const std::vector<policy::Prefix>& members) const;
    void set_prefixes(std::uint64_t count) const;
    [[nodiscard]] Status load(const std::vector<policy::Prefix>& members, std::uint64_t expires,
                              std::uint32_t spare) const;

    const SetTables* tables_;
    BlockTrie blocks_;
    std::uint32_t number_;
    std::uint64_t size_;
};

}  // namespace fwctl::engine
