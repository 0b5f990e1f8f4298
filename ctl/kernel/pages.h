// Maps of maps whose inner maps come and go as they are needed: the pages of the compiled rules, and those of
// the rules' counters and buckets, and of the members of sets.
//
// Promises: errors name what ran out. A page that a program may be reading is never taken away by itself: the
// caller waits for the packets first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "fwctl/abi/flow.h"
#include "fwctl/abi/members.h"
#include "fwctl/abi/service.h"
#include "fwctl/abi/state.h"
#include "kernel/map.h"

namespace fwctl::kernel {

// A map of maps and the ids of the maps in it (struct fw_control), which are the caller's to keep mapped.
class InnerMaps {
public:
    InnerMaps() = default;
    InnerMaps(Map map, std::span<std::uint32_t> ids) : map_(std::move(map)), ids_(ids) {}

    // Nothing where there is none.
    [[nodiscard]] Fd open(std::uint32_t index) const;
    // Side by side, as the kernel waits for a grace period at each.
    [[nodiscard]] Status put(std::span<const std::uint32_t> indices, std::span<const Fd> inner) const;
    [[nodiscard]] Status erase(std::span<const std::uint32_t> indices) const;
    // The indices from `first` on, `count` at most, at which there may be one.
    [[nodiscard]] std::vector<std::uint32_t> present(std::uint32_t first, std::uint32_t count) const;
    [[nodiscard]] const Map& map() const { return map_; }

private:
    Map map_;
    std::span<std::uint32_t> ids_;
};

// The map `pages`: banks of 32-bit words. `first` is the bank's first page.
class Banks {
public:
    Banks() = default;
    explicit Banks(InnerMaps pages) : pages_(std::move(pages)) {}

    // Writes the words from the start of the bank. Pages that are there are used again, missing ones made. No
    // program may be reading the bank.
    [[nodiscard]] Status write(std::uint32_t first, std::span<const std::uint32_t> words) const;
    // Words of a bank, from `address` on.
    [[nodiscard]] Result<std::vector<std::uint32_t>> read(std::uint32_t first, std::uint32_t address,
                                                          std::size_t count) const;
    [[nodiscard]] bool has_more(std::uint32_t first, std::uint32_t count) const;
    // Gives the pages of the bank back, but for the first `count`.
    [[nodiscard]] Status shrink(std::uint32_t first, std::uint32_t count) const;
    [[nodiscard]] const Map& map() const { return pages_.map(); }

private:
    InnerMaps pages_;
};

// The map `rule_counters`: what is counted of each rule, by processor.
class CounterPages {
public:
    CounterPages() = default;
    explicit CounterPages(InnerMaps pages) : pages_(std::move(pages)) {}

    // Makes the pages for counters below `count`; new ones are zero.
    [[nodiscard]] Status make(std::uint32_t count) const;
    // Of each of the rules, summed over the processors. A page is read at once: cheap also for a million.
    [[nodiscard]] Result<std::vector<fw_rule_count>> sums(std::span<const std::uint32_t> rules) const;
    [[nodiscard]] Status clear(std::span<const std::uint32_t> rules) const;
    [[nodiscard]] const Map& map() const { return pages_.map(); }

private:
    InnerMaps pages_;
};

// The map `rule_bases`: what was counted of rules when their counters were reset.
class RuleBases {
public:
    RuleBases() = default;
    explicit RuleBases(InnerMaps pages) : pages_(std::move(pages)) {}

    // Of each of the rules; zero where none was reset.
    [[nodiscard]] Result<std::vector<fw_count>> read(std::span<const std::uint32_t> rules) const;
    [[nodiscard]] Status write(std::span<const std::uint32_t> rules,
                               std::span<const fw_rule_count> counts) const;
    [[nodiscard]] Status clear(std::span<const std::uint32_t> rules) const;
    [[nodiscard]] const Map& map() const { return pages_.map(); }

private:
    [[nodiscard]] Status make(std::uint32_t page) const;

    InnerMaps pages_;
};

// The map `buckets`: pages of token buckets, full when they are made.
class BucketPages {
public:
    BucketPages() = default;
    explicit BucketPages(InnerMaps pages) : pages_(std::move(pages)) {}

    // Makes those that are not there. None is ever taken away: buckets outlive the policy that they are of.
    [[nodiscard]] Status make(std::span<const std::uint32_t> indices) const;
    [[nodiscard]] const Map& map() const { return pages_.map(); }

private:
    InnerMaps pages_;
};

// The map `set_pages`: buckets of hosts, see struct fw_host_table.
class SetPages {
public:
    SetPages() = default;
    explicit SetPages(InnerMaps pages) : pages_(std::move(pages)) {}

    // Empty ones.
    [[nodiscard]] Status make(std::uint32_t first, std::uint32_t count) const;
    [[nodiscard]] Status clear(std::span<const std::uint32_t> indices) const;
    [[nodiscard]] std::vector<std::uint32_t> present() const { return pages_.present(0, FW_SET_PAGES); }
    [[nodiscard]] const Map& map() const { return pages_.map(); }

private:
    InnerMaps pages_;
};

// The map `flow_pages`.
class FlowPages {
public:
    FlowPages() = default;
    explicit FlowPages(InnerMaps pages) : pages_(std::move(pages)) {}

    // New ones have no flows.
    [[nodiscard]] Status make(std::uint32_t first, std::uint32_t count) const;
    // Those from `first` on, `count` at most. No program may be reading them.
    [[nodiscard]] Status clear(std::uint32_t first, std::uint32_t count) const;
    [[nodiscard]] bool has_any(std::uint32_t first, std::uint32_t count) const {
        return !pages_.present(first, count).empty();
    }
    // The page itself, which the programs change at any time; nothing where there is none.
    [[nodiscard]] Result<std::optional<MappedArray<fw_flow_page>>> map(std::uint32_t index) const;
    [[nodiscard]] const Map& map() const { return pages_.map(); }

private:
    InnerMaps pages_;
};

// The map `placed_pages`: all of them or none.
class PlacedPages {
public:
    PlacedPages() = default;
    explicit PlacedPages(InnerMaps pages) : pages_(std::move(pages)) {}

    // Those that are missing, without flows.
    [[nodiscard]] Status make() const;
    // No program may be reading them.
    [[nodiscard]] Status clear() const;
    [[nodiscard]] bool has_any() const { return !pages_.present(0, FW_PLACED_PAGES).empty(); }
    // As FlowPages::map().
    [[nodiscard]] Result<std::optional<MappedArray<fw_placed_page>>> map(std::uint32_t index) const;
    [[nodiscard]] const Map& map() const { return pages_.map(); }

private:
    InnerMaps pages_;
};

// The map `nat_flows`: all of its tables or none.
class NatTables {
public:
    NatTables() = default;
    explicit NatTables(InnerMaps tables) : tables_(std::move(tables)) {}

    // Those that are missing, without flows.
    [[nodiscard]] Status make() const;
    [[nodiscard]] Status clear() const;
    [[nodiscard]] bool has_any() const { return !tables_.present(0, FW_NAT_TABLES).empty(); }
    [[nodiscard]] const Map& map() const { return tables_.map(); }

private:
    InnerMaps tables_;
};

}  // namespace fwctl::kernel
