// Maps of maps whose inner maps come and go as they are needed: the pages of the compiled rules, and those of
// the rules' counters.
//
// Promises: errors name what ran out. A page that a program may be reading is never taken away by itself: the
// caller waits for the packets first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "fwctl/abi/state.h"
#include "kernel/map.h"

namespace fwctl::kernel {

// The map `pages`: banks of 32-bit words. `first` is the bank's first page.
class Banks {
public:
    Banks() = default;
    explicit Banks(Map map) : map_(std::move(map)) {}

    // Writes the words from the start of the bank. Pages that are there are used again, missing ones made. No
    // program may be reading the bank.
    [[nodiscard]] Status write(std::uint32_t first, std::span<const std::uint32_t> words) const;
    // Words of a bank, from `address` on.
    [[nodiscard]] Result<std::vector<std::uint32_t>> read(std::uint32_t first, std::uint32_t address,
                                                          std::size_t count) const;
    [[nodiscard]] bool is_empty(std::uint32_t first) const;
    // Gives all pages of the bank back.
    [[nodiscard]] Status clear(std::uint32_t first) const;
    [[nodiscard]] const Map& map() const { return map_; }

private:
    [[nodiscard]] std::vector<std::uint32_t> present(std::uint32_t first) const;
    Map map_;
};

// The map `rule_counters`: two numbers for each rule and processor.
class CounterPages {
public:
    CounterPages() = default;
    explicit CounterPages(Map map) : map_(std::move(map)) {}

    // Makes the pages for counters below `count`; new ones are zero.
    [[nodiscard]] Status make(std::uint32_t count) const;
    // Of each of the rules, summed over the processors.
    [[nodiscard]] Result<std::vector<fw_count>> sums(std::span<const std::uint32_t> rules) const;
    [[nodiscard]] Status clear(std::span<const std::uint32_t> rules) const;
    [[nodiscard]] const Map& map() const { return map_; }

private:
    Map map_;
};

}  // namespace fwctl::kernel
