#include "compile/leaf.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "compile/tree.h"

namespace fwctl::compile {
namespace {

// A scan of so many rows costs less than another look-up.
constexpr std::size_t kShort = 8;
// Rows before one that are looked at for one that makes it useless: leaves that a packet scans are short, and
// long ones are cut before.
constexpr std::size_t kLookBack = 32;
// A cut by ports may repeat rows with wide ranges so many times, on the average.
constexpr std::size_t kMaxCopies = 16;

constexpr std::array<std::uint8_t, FW_KINDS> kProtocols = {
    0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, 0, 0};

bool is_plain(const fw_row& row) {
    return row.conditions == 0 && row.checks[0] == 0 && row.checks[1] == 0 && row.where == 0 &&
           (row.flags & FW_ROW_RATED) == 0;
}

// Whether `outer` holds wherever `inner` does, as far as that shows without a look at what is rare.
bool covers(const fw_row& outer, const fw_row& inner) {
    const bool traits = (outer.traits_mask & ~inner.traits_mask) == 0 &&
                        ((outer.traits ^ inner.traits) & outer.traits_mask) == 0;
    return is_plain(outer) && traits && outer.selector_first <= inner.selector_first &&
           inner.selector_last <= outer.selector_last;
}

// Whether a packet of that kind can meet the row.
bool is_of_kind(const fw_row& row, std::size_t kind) {
    if (kind == FW_KIND_OTHER) return (row.traits & row.traits_mask & FW_TRAITS_L4) == 0;
    const bool not_ip = (row.traits_mask & FW_TRAITS_FAMILY) != 0 && (row.traits & FW_TRAITS_FAMILY) == 0;
    if (not_ip) return false;
    const bool any_protocol = (row.traits_mask & FW_TRAITS_PROTOCOL) == 0;
    return any_protocol || (row.traits & FW_TRAITS_PROTOCOL) == kProtocols[kind];
}

}  // namespace

std::size_t Leaves::Hash::operator()(const std::vector<RowNumber>& rows) const {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const RowNumber row : rows) hash = (hash ^ row) * 0x100000001b3U;
    return hash ^ hash >> 32;
}

RowNumber Leaves::add_row(const fw_row& row) {
    rows_.push_back(row);
    return static_cast<RowNumber>(rows_.size() - 1);
}

Entry Leaves::put(std::span<const RowNumber> rows) {
    if (rows.empty()) return 0;
    return put_cut(without_useless(rows));
}

std::vector<RowNumber> Leaves::without_useless(std::span<const RowNumber> rows) const {
    if (counting_) return {rows.begin(), rows.end()};
    std::vector<RowNumber> kept;
    for (const RowNumber row : rows) {
        const auto begin = kept.size() > kLookBack ? kept.end() - kLookBack : kept.begin();
        const bool useless = std::any_of(
            begin, kept.end(), [&](RowNumber earlier) { return covers(rows_[earlier], rows_[row]); });
        if (useless) continue;
        kept.push_back(row);
        const bool takes_all = is_plain(rows_[row]) && rows_[row].traits_mask == 0 &&
                               rows_[row].selector_first == 0 && rows_[row].selector_last == 65535;
        if (takes_all) break;
    }
    return kept;
}

Entry Leaves::put_cut(const std::vector<RowNumber>& rows) {
    if (rows.size() <= kShort) return put_rows(rows);
    const auto [known, is_new] = cut_.try_emplace(rows, 0);
    if (is_new) {
        const Entry entry = put_kinds(rows);
        cut_[rows] = entry;
        return entry;
    }
    return known->second;
}

std::vector<RowNumber> Leaves::of_kind(std::span<const RowNumber> rows, std::size_t kind) const {
    std::vector<RowNumber> kept;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(kept),
                 [&](RowNumber row) { return is_of_kind(rows_[row], kind); });
    return without_useless(kept);
}

fw_kinds Leaves::put_by_kind(std::span<const RowNumber> rows) {
    fw_kinds kinds{};
    for (std::size_t kind = 0; kind <= FW_KIND_SCTP; ++kind) {
        const std::vector<RowNumber> kept = of_kind(rows, kind);
        if (kept.empty()) continue;
        kinds.leaf[kind] = kind == FW_KIND_OTHER ? put_rows(kept) : put_tree_of(kept);
    }
    return kinds;
}

Entry Leaves::put_kinds(const std::vector<RowNumber>& rows) {
    const fw_kinds kinds = put_by_kind(rows);
    const bool helps = std::any_of(kinds.leaf, kinds.leaf + FW_KIND_SCTP + 1,
                                   [&](Entry leaf) { return leaf != kinds.leaf[FW_KIND_OTHER]; });
    return helps ? bank_.put(kinds, 8) | FW_ENTRY_KINDS : kinds.leaf[FW_KIND_OTHER];
}

// Cut where a row's ports begin or end.
Entry Leaves::put_tree_of(const std::vector<RowNumber>& rows) {
    if (rows.size() <= kShort) return put_rows(rows);
    struct Edge {
        std::uint32_t at;
        RowNumber row;
        auto operator<=>(const Edge&) const = default;
    };
    std::vector<Edge> edges;
    for (const RowNumber row : rows) {
        edges.push_back({rows_[row].selector_first, row});
        if (rows_[row].selector_last != 65535) edges.push_back({rows_[row].selector_last + 1U, row});
    }
    std::sort(edges.begin(), edges.end());

    std::vector<RowNumber> here;
    std::vector<std::uint16_t> keys;
    std::vector<std::vector<RowNumber>> pieces;
    std::size_t copies = 0;
    for (std::size_t i = 0; i < edges.size();) {
        const std::uint32_t at = edges[i].at;
        for (; i < edges.size() && edges[i].at == at; ++i) {
            const auto place = std::lower_bound(here.begin(), here.end(), edges[i].row);
            if (place != here.end() && *place == edges[i].row)
                here.erase(place);
            else
                here.insert(place, edges[i].row);
        }
        keys.push_back(static_cast<std::uint16_t>(at));
        pieces.push_back(without_useless(here));
        copies += pieces.back().size();
        if (copies > rows.size() * kMaxCopies) return put_rows(rows);
    }
    if (pieces.size() < 2) return put_rows(rows);

    std::vector<std::uint32_t> values;
    for (const auto& piece : pieces) values.push_back(piece.empty() ? 0 : put_rows(piece));
    std::uint32_t below = 0;
    if (keys.front() == 0) {
        below = values.front();
        keys.erase(keys.begin());
        values.erase(values.begin());
    }
    return put_tree(bank_, below, keys, values) | FW_ENTRY_TREE;
}

Entry Leaves::put_rows(const std::vector<RowNumber>& rows) {
    const auto [known, is_new] = plain_.try_emplace(rows, 0);
    if (!is_new) return known->second;
    constexpr std::size_t kRowWords = sizeof(fw_row) / sizeof(std::uint32_t);
    const Address address = bank_.reserve(rows.size() * kRowWords, kRowWords);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        fw_row row = rows_[rows[i]];
        if (i + 1 == rows.size()) row.flags |= FW_ROW_LAST;
        bank_.set(address + static_cast<Address>(i * kRowWords), row);
    }
    known->second = address;
    return address;
}

}  // namespace fwctl::compile
