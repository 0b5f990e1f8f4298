// The memory of dynamic sets: tables of hosts, and the numbers of prefixes in the trie (abi/members.h).
//
// Promises: what a table takes is known from the set's size beforehand. A set gets another table, or other
// contents, by one store; a command that is killed leaves at most memory, which the next one gives back. All
// but the constructors and numbers that are read need the Lock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "fwctl/abi/members.h"
#include "kernel/map.h"
#include "kernel/pages.h"
#include "kernel/set_program.h"

namespace fwctl::engine {

// Buckets of a table for so many hosts: at most half full, a power of two.
std::uint32_t buckets_for(std::uint64_t hosts);

class SetTables {
public:
    SetTables() = default;
    static Result<SetTables> of(kernel::Map sets, kernel::Map pages);

    [[nodiscard]] fw_set& set(std::uint32_t number) const { return sets_.at(0)->by_number[number]; }
    [[nodiscard]] std::uint64_t state(std::uint32_t number) const;
    // The one store that switches.
    void set_state(std::uint32_t number, std::uint64_t state) const;
    [[nodiscard]] const fw_host_table& table(std::uint32_t number) const;

    // What its tables take of the kernel's memory.
    [[nodiscard]] std::uint64_t bytes(std::uint32_t number) const;

    // A table for so many hosts, whatever the set had before; its hosts stay. Finishes what a command that
    // was killed began.
    [[nodiscard]] Status ensure(std::uint32_t number, std::uint64_t hosts) const;
    // A smaller one, where that is enough for so many hosts and for those that are there: in a table that is
    // nearly empty a full set finds nobody who could give way.
    [[nodiscard]] Status fit(std::uint32_t number, std::uint64_t hosts) const;
    // Finishes what a command that was killed began, and nothing else.
    [[nodiscard]] Status settle(std::uint32_t number) const;
    // An empty table beside the one that holds: its number, 0 or 1.
    [[nodiscard]] Result<std::uint32_t> make_spare(std::uint32_t number, std::uint64_t hosts) const;
    // Gives back the table that does not hold, once no packet reads it.
    [[nodiscard]] Status drop_spare(std::uint32_t number) const;
    // Both tables: the set is as if it had never been there. No rule that holds may name it.
    [[nodiscard]] Status drop(const std::vector<std::uint32_t>& numbers) const;

    // Of a page of the map `set_pages`; 0: it is not there.
    [[nodiscard]] std::uint32_t page_id(std::uint32_t page) const { return sets_.at(0)->pages[page]; }
    [[nodiscard]] const kernel::Map& sets_map() const { return sets_.map(); }
    [[nodiscard]] const kernel::Map& pages_map() const { return pages_.map(); }
    // Loaded when it is first asked for.
    [[nodiscard]] Result<const kernel::SetProgram*> program() const;
    // From the pins there, which one command at a time may use.
    void take_program_from(const std::string& directory) { directory_ = directory; }

private:
    [[nodiscard]] Result<std::uint32_t> free_pages(std::uint32_t count) const;
    [[nodiscard]] Status give_back_pages() const;
    [[nodiscard]] Status resize(std::uint32_t number, std::uint64_t hosts) const;
    [[nodiscard]] Status move(std::uint32_t number) const;

    kernel::MappedArray<fw_sets> sets_;
    kernel::SetPages pages_;
    std::string directory_;  // empty: the program is loaded
    mutable std::unique_ptr<kernel::SetProgram> program_;
};

// CLOCK_MONOTONIC in the ticks of members.
std::uint64_t now_in_ticks();

}  // namespace fwctl::engine
