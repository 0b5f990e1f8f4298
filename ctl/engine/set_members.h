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
#include "engine/set_hosts.h"
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

// All with the same end.
std::vector<Member> members_until(const std::vector<policy::Prefix>& prefixes, std::uint64_t expires);

class SetMembers {
public:
    // `size`: how many members the set may have.
    SetMembers(const SetTables& tables, const kernel::Map& trie, std::uint32_t number, std::uint64_t size)
        : tables_(&tables), hosts_(tables, number), blocks_(trie), number_(number), size_(size) {}

    // Finishes what a command that was killed began.
    [[nodiscard]] Status settle() const;
    // The same, before an edit: settle() knows from it that the edit did not get to its end.
    [[nodiscard]] Status begin() const;

    [[nodiscard]] Result<EditCounts> add(const std::vector<Member>& members) const;
    [[nodiscard]] Result<EditCounts> remove(const std::vector<policy::Prefix>& members) const;
    // What these would do. How many hosts would take the place of others is an estimate.
    [[nodiscard]] Result<EditCounts> rehearse_add(const std::vector<Member>& members) const;
    [[nodiscard]] Result<EditCounts> rehearse_remove(const std::vector<policy::Prefix>& members) const;
    [[nodiscard]] Status flush() const;
    // How many blocks the dynamic sets together may have.
    [[nodiscard]] std::uint64_t blocks_limit() const { return blocks_.limit(); }
    // Packets see the members before or these, never a mix. An error when they are more than the size, or
    // when there is no room for their blocks beside those that are there.
    [[nodiscard]] Status replace(const std::vector<Member>& members) const;
    [[nodiscard]] Status check_room(const std::vector<Member>& members) const;

    // Those whose time is not over, sorted.
    [[nodiscard]] Result<std::vector<Member>> list() const;
    [[nodiscard]] Result<std::size_t> count() const;
    // With the counts of the trie, which are the same for all sets.
    [[nodiscard]] Result<std::size_t> count(const BlockCounts& blocks) const;
    // With those whose time is over and that nobody has taken out: known without looking.
    [[nodiscard]] std::uint64_t most() const;
    [[nodiscard]] bool has_blocks() const;
    // The narrowest member that has the address.
    [[nodiscard]] Result<std::optional<Member>> find(const policy::Prefix& address) const;
    // The narrowest member that is wider than this one and has all of it.
    [[nodiscard]] std::optional<Member> block_around(const policy::Prefix& member) const;

private:
    [[nodiscard]] std::uint64_t hosts_limit() const;
    [[nodiscard]] std::uint64_t room() const;
    [[nodiscard]] Status sweep() const;
    [[nodiscard]] std::uint32_t trie_number() const;
    [[nodiscard]] Status add_block(const Member& block, EditCounts& counts) const;
    [[nodiscard]] Status remove_block(const policy::Prefix& block, EditCounts& counts) const;
    // When it ends, 0 for never; nullopt: it is no member.
    [[nodiscard]] Result<std::optional<std::uint64_t>> end_of(const policy::Prefix& member) const;
    [[nodiscard]] Status fit(const std::vector<Member>& fresh, EditCounts& counts) const;
    [[nodiscard]] std::uint64_t all_blocks() const;
    [[nodiscard]] Status refuse_blocks(const std::vector<Member>& members) const;
    void set_prefixes(std::uint64_t count) const;
    [[nodiscard]] Status load(const std::vector<Member>& members, std::uint32_t spare) const;

    const SetTables* tables_;
    SetHosts hosts_;
    BlockTrie blocks_;
    std::uint32_t number_;
    std::uint64_t size_;
};

}  // namespace fwctl::engine
