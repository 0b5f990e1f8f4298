#include "compile/dump.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include "compile/tier.h"
#include "fwctl/abi/image.h"

namespace fwctl::compile {
namespace {

constexpr std::uint32_t kRootEntries = 1 << 16;
constexpr std::array<const char*, FW_KINDS> kKindNames = {"other", "tcp", "udp", "icmp", "icmp6", "sctp"};

class Dump {
public:
    Dump(const TierImage& image, std::span<const policy::Rule> rules)
        : tier_(image.tier), bank_(image.bank), places_(image.places.text()), rules_(rules) {}

    std::string text() {
        print("{} rules in {} words; pages of {} KB: {}\n", tier_.rule_count, tier_.words,
              sizeof(fw_page) / 1024, (tier_.words + FW_PAGE_WORDS - 1) / FW_PAGE_WORDS);
        put_end("from", tier_.addresses[FW_SOURCE]);
        put_end("to", tier_.addresses[FW_DESTINATION]);
        put_pairs();
        for (std::size_t kind = 0; kind < kKindNames.size(); ++kind)
            if (kKindNames[kind] != nullptr && tier_.rest.leaf[kind] != 0)
                print("{} of any address: {}\n", kKindNames[kind], follow(tier_.rest.leaf[kind]));
        if (tier_.going_on != 0) print("rules that go on: {}\n", follow(tier_.going_on));
        if (tier_.varying != 0)
            print("rules that may hold for one packet of a flow alone: {}\n", follow(tier_.varying));
        put_entries();
        std::istringstream places(places_);
        std::size_t number = 0;
        for (std::string place; std::getline(places, place);) print("where {}: {}\n", ++number, place);
        return std::move(text_);
    }

private:
    template <typename... Arguments>
    void print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
    }

    // What the entry points at is printed later.
    std::string follow(std::uint32_t entry) {
        if (entry != 0) entries_.insert(entry);
        return name_of(entry);
    }

    static std::string name_of(std::uint32_t entry) {
        if (entry == 0) return "nothing";
        const Address address = entry & ~std::uint32_t{FW_ENTRY_TAG};
        switch (entry & FW_ENTRY_TAG) {
            case FW_ENTRY_KINDS:
                return fmt::format("kinds {}", address);
            case FW_ENTRY_TREE:
                return fmt::format("ports {}", address);
            default:
                return fmt::format("rows {}", address);
        }
    }

    template <typename Visit>
    void each_value(Address address, Visit visit) const {
        const auto tree = bank_.get<fw_tree>(address);
        visit(tree.below);
        for (Address i = 0; i < tree.nodes * FW_TREE_KEYS; ++i) visit(bank_[tree.values + i]);
    }

    // Of a table or a tree of addresses: whatever classes it leads to.
    void gather(std::uint32_t entry, std::set<Address>& classes) const {
        if ((entry & FW_INDEX_IS_TREE) == 0) {
            classes.insert(entry);
            return;
        }
        each_value(entry & ~std::uint32_t{FW_INDEX_IS_TREE},
                   [&](std::uint32_t value) { gather(value, classes); });
    }

    void put_end(const char* name, const fw_address_index& index) {
        const auto place = [](Address address) {
            return address == 0 ? std::string("none") : fmt::format("at {}", address);
        };
        print("{}: IPv4 table {}, bits of /24 blocks {}, IPv6 table {}\n", name, place(index.ipv4),
              place(index.ipv4_known), place(index.ipv6));
        std::set<Address> classes(std::begin(index.outside), std::end(index.outside));
        for (const Address table : {index.ipv4, index.ipv6})
            for (Address i = 0; table != 0 && i < kRootEntries; ++i) gather(bank_[table + i], classes);
        classes.erase(0);
        for (const Address address : classes) {
            const auto one = bank_.get<fw_class>(address);
            print("  class {}: pair {}, {}, checks {}\n", address, one.pair, follow(one.leaf),
                  place(one.checks));
        }
    }

    void put_pairs() {
        if (tier_.pairs == 0) return;
        print("pairs: {} buckets at {}\n", tier_.pair_mask + 1, tier_.pairs);
        for (Address i = 0; i <= tier_.pair_mask; ++i)
            for (const fw_pair& pair : bank_.get<fw_bucket>(tier_.pairs + i * 16).pairs)
                if (pair.source != 0)
                    print("  from {} to {}: {}\n", pair.source, pair.destination, follow(pair.leaf));
    }

    // Entries lead to others, so that the set grows while it is walked.
    void put_entries() {
        std::set<std::uint32_t> done;
        while (!entries_.empty()) {
            const std::uint32_t entry = *entries_.begin();
            entries_.erase(entries_.begin());
            if (done.insert(entry).second) put_entry(entry);
        }
    }

    void put_entry(std::uint32_t entry) {
        const Address address = entry & ~std::uint32_t{FW_ENTRY_TAG};
        print("{}\n", name_of(entry));
        if ((entry & FW_ENTRY_TAG) == FW_ENTRY_KINDS) {
            const auto kinds = bank_.get<fw_kinds>(address);
            for (std::size_t kind = 0; kind < kKindNames.size(); ++kind)
                if (kKindNames[kind] != nullptr)
                    print("  {}: {}\n", kKindNames[kind], follow(kinds.leaf[kind]));
        } else if ((entry & FW_ENTRY_TAG) == FW_ENTRY_TREE) {
            std::set<std::uint32_t> values;
            each_value(address, [&](std::uint32_t value) { values.insert(value); });
            for (const std::uint32_t value : values) print("  {}\n", follow(value));
        } else {
            put_rows(address);
        }
    }

    void put_rows(Address address) {
        for (;; address += sizeof(fw_row) / sizeof(std::uint32_t)) {
            const auto row = bank_.get<fw_row>(address);
            print("  {} \"{}\": traits {:#x}/{:#x}, ports {}-{}, checks {}/{}, where {}, conditions {}{}\n",
                  row.priority, rules_[row.rule].name, row.traits, row.traits_mask, row.selector_first,
                  row.selector_last, row.checks[FW_SOURCE], row.checks[FW_DESTINATION], row.where,
                  row.conditions, (row.flags & FW_ROW_RATED) != 0 ? ", rated" : "");
            if ((row.flags & FW_ROW_LAST) != 0) return;
        }
    }

    const fw_tier& tier_;
    const Bank& bank_;
    std::string places_;
    std::span<const policy::Rule> rules_;
    std::set<std::uint32_t> entries_;
    std::string text_;
};

}  // namespace

// As an apply would compile it, but for the numbers of counters and of dynamic sets.
Result<std::string> dump_image(const policy::Policy& policy) {
    std::map<std::string, std::uint32_t> dynamic_sets;
    for (const policy::Set& set : policy.sets)
        if (set.dynamic) dynamic_sets.emplace(set.name, dynamic_sets.size());
    std::vector<std::uint32_t> counters(policy.rules.size());
    std::iota(counters.begin(), counters.end(), 0U);
    SetBlocks sets(policy.sets);
    auto image = compile_tier({policy.rules, counters, 0, &dynamic_sets}, sets);
    if (!image) return tl::unexpected(image.error());
    return Dump(*image, policy.rules).text();
}

}  // namespace fwctl::compile
