// The hosts of one dynamic set: its tables, as the program of sets reads and writes them (abi/members.h).
//
// Promises: tables are written by that program alone, and what packets do to them meanwhile spoils nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "engine/block_trie.h"
#include "engine/set_tables.h"
#include "policy/model.h"

namespace fwctl::engine {

// Whether it belongs into the tables; else it is a block.
bool is_host(const policy::Prefix& prefix);

class SetHosts {
public:
    using Requests = std::vector<fw_set_request>;

    SetHosts(const SetTables& tables, std::uint32_t number) : tables_(&tables), number_(number) {}

    static fw_set_request request(const Member& host);

    // The number of the table that holds.
    [[nodiscard]] std::uint32_t table() const;
    // How many stand in it, over or not.
    [[nodiscard]] std::uint64_t held() const;

    // Each request with its result; what is busy is asked again. `limit`: how many hosts the table may have.
    [[nodiscard]] Status run(fw_set_command command, std::uint32_t table, std::uint64_t limit,
                             Requests& requests) const;
    // Takes all out of the table that holds, or those whose time is over.
    [[nodiscard]] Status empty() const { return for_each_bucket(FW_SET_EMPTY); }
    [[nodiscard]] Status sweep() const { return for_each_bucket(FW_SET_SWEEP); }

    // Those whose time is not over, piece by piece.
    [[nodiscard]] Status for_each(const std::function<void(const Member&)>& use) const;
    [[nodiscard]] Result<std::optional<Member>> find(const policy::Prefix& host) const;

private:
    [[nodiscard]] fw_set_job job(fw_set_command command, std::uint32_t table) const;
    [[nodiscard]] Status for_each_bucket(fw_set_command command) const;

    const SetTables* tables_;
    std::uint32_t number_;
};

}  // namespace fwctl::engine
