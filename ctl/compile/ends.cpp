#include "compile/ends.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "compile/address_index.h"
#include "compile/pairs.h"

namespace fwctl::compile {

std::uint32_t Checks::number_of(fw_side side, std::uint32_t constraint) {
    if (constraint == 0) return 0;
    auto& numbers = numbers_[side];
    if (numbers.size() <= constraint) numbers.resize(constraint + 1);
    if (numbers[constraint] == 0) numbers[constraint] = ++counts_[side];
    return numbers[constraint];
}

std::uint32_t Checks::find(fw_side side, std::uint32_t constraint) const {
    return constraint < numbers_[side].size() ? numbers_[side][constraint] : 0;
}

void Narrow::add(std::uint32_t constraint, std::span<const RowNumber> rows) {
    if (rows_.size() <= constraint) rows_.resize(constraint + 1);
    auto& all = rows_[constraint];
    all.insert(all.end(), rows.begin(), rows.end());
}

std::vector<RowNumber> Narrow::rows_of(const std::vector<std::uint32_t>& members) const {
    std::vector<RowNumber> rows;
    std::size_t lists = 0;
    for (const std::uint32_t constraint : members) {
        if (constraint >= rows_.size() || rows_[constraint].empty()) continue;
        rows.insert(rows.end(), rows_[constraint].begin(), rows_[constraint].end());
        ++lists;
    }
    if (lists > 1) std::sort(rows.begin(), rows.end());
    return rows;
}

void Pairs::add(const Ends& ends, std::span<const RowNumber> rows) {
    all_.push_back({ends, {rows.begin(), rows.end()}});
}

// Classes in which the same used constraints hold get one number: the others do not matter here.
Pairs::Parts Pairs::number(const Classes& classes, fw_side side) {
    std::vector<bool> used(classes.sizes().size());
    for (const Rows& rows : all_) used[side == FW_SOURCE ? rows.ends.source : rows.ends.destination] = true;
    Parts parts;
    std::map<std::vector<std::uint32_t>, std::uint32_t> known;
    std::vector<std::uint32_t> members;
    for (const auto& all : classes.members()) {
        members.clear();
        std::copy_if(all.begin(), all.end(), std::back_inserter(members),
                     [&](std::uint32_t constraint) { return bool{used[constraint]}; });
        std::uint32_t number = 0;
        if (!members.empty()) {
            const auto [entry, is_new] =
                known.try_emplace(members, static_cast<std::uint32_t>(known.size() + 1));
            number = entry->second;
            if (is_new)
                for (const std::uint32_t constraint : members) parts[constraint].push_back(number);
        }
        numbers_[side].push_back(number);
    }
    return parts;
}

void Pairs::put(Bank& bank, const Classes& sources, const Classes& destinations, Leaves& leaves,
                fw_tier& tier) {
    const Parts from = number(sources, FW_SOURCE);
    const Parts to = number(destinations, FW_DESTINATION);
    struct Cell {
        std::uint64_t key = 0;
        std::uint32_t rows = 0;  // index of all_
        auto operator<=>(const Cell&) const = default;
    };
    std::vector<Cell> cells;
    for (std::size_t i = 0; i < all_.size(); ++i) {
        const auto of_source = from.find(all_[i].ends.source);
        const auto of_destination = to.find(all_[i].ends.destination);
        if (of_source == from.end() || of_destination == to.end()) continue;  // an empty set
        for (const std::uint32_t source : of_source->second)
            for (const std::uint32_t destination : of_destination->second)
                cells.push_back({std::uint64_t{source} << 32 | destination, static_cast<std::uint32_t>(i)});
    }
    std::sort(cells.begin(), cells.end());

    std::vector<fw_pair> pairs;
    std::vector<RowNumber> rows;
    for (std::size_t i = 0; i < cells.size();) {
        const std::uint64_t key = cells[i].key;
        rows.clear();
        for (; i < cells.size() && cells[i].key == key; ++i)
            rows.insert(rows.end(), all_[cells[i].rows].rows.begin(), all_[cells[i].rows].rows.end());
        pairs.push_back(
            {static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key), leaves.put(rows)});
    }
    put_pairs(bank, pairs, tier);
}

namespace {

// The bits of a class, each different list of them once.
class CheckBits {
public:
    CheckBits(Bank& bank, const Checks& checks, fw_side side) : bank_(bank), checks_(checks), side_(side) {}

    Address put(const std::vector<std::uint32_t>& members) {
        std::vector<std::uint32_t> bits((checks_.size(side_) + 31) / 32);
        bool any = false;
        for (const std::uint32_t constraint : members) {
            const std::uint32_t number = checks_.find(side_, constraint);
            if (number == 0) continue;
            bits[(number - 1) / 32] |= 1U << ((number - 1) % 32);
            any = true;
        }
        if (!any) return 0;
        const auto [entry, is_new] = known_.try_emplace(std::move(bits), 0);
        if (is_new) {
            entry->second = bank_.reserve(entry->first.size(), 1);
            for (std::size_t i = 0; i < entry->first.size(); ++i)
                bank_[entry->second + static_cast<Address>(i)] = entry->first[i];
        }
        return entry->second;
    }

private:
    Bank& bank_;
    const Checks& checks_;
    fw_side side_;
    std::map<std::vector<std::uint32_t>, Address> known_;
};

}  // namespace

fw_address_index put_end(Bank& bank, const Classes& classes, const Narrow& narrow,
                         const std::vector<std::uint32_t>& pair_numbers, const Checks& checks, fw_side side,
                         Leaves& leaves) {
    CheckBits bits(bank, checks, side);
    std::map<std::tuple<std::uint32_t, Entry, Address>, Address> known = {{{0, 0, 0}, 0}};
    std::vector<Address> values;
    for (std::size_t i = 0; i < classes.members().size(); ++i) {
        const auto& members = classes.members()[i];
        fw_class record{};
        record.pair = pair_numbers[i];
        record.leaf = leaves.put(narrow.rows_of(members));
        record.checks = bits.put(members);
        const auto [entry, is_new] = known.try_emplace({record.pair, record.leaf, record.checks}, 0);
        if (is_new) entry->second = bank.put(record, 4);
        values.push_back(entry->second);
    }
    return put_address_index(bank, classes, values);
}

}  // namespace fwctl::compile
