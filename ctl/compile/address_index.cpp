#include "compile/address_index.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "compile/tree.h"
#include "fwctl/abi/image.h"

namespace fwctl::compile {
namespace {

constexpr std::size_t kRoots = 65536;
constexpr unsigned kBlockBits = 8;  // of an address below its /24
constexpr std::size_t kBlocks = std::size_t{1} << 24;

// From so many boundaries on, two megabytes that answer for most addresses at once are worth it: below, the
// trees are in the cache just as well.
constexpr std::size_t kWorthAMap = 65536;

// The pieces of a class map from one place on, cut at the end of each piece of the root.
template <typename Key>
class Cursor {
public:
    explicit Cursor(const ClassMap<Key>& map) : map_(map) {}

    // What begins behind `first` and not behind `last`; moves on. `below` is what holds at `first`.
    void take(Key first, Key last) {
        while (next_ < map_.starts.size() && map_.starts[next_] <= first) ++next_;
        below = map_.classes[next_ - 1];
        begin = next_;
        while (next_ < map_.starts.size() && map_.starts[next_] <= last) ++next_;
        end = next_;
    }

    ClassNumber below = 0;
    std::size_t begin = 0;
    std::size_t end = 0;

private:
    const ClassMap<Key>& map_;
    std::size_t next_ = 0;
};

Address put_ipv4(Bank& bank, const ClassMap<std::uint32_t>& map, std::span<const Address> values) {
    const Address table = bank.reserve(kRoots, FW_PAGE_WORDS);
    Cursor<std::uint32_t> cursor(map);
    std::vector<std::uint16_t> keys;
    std::vector<std::uint32_t> found;
    for (std::uint32_t root = 0; root < kRoots; ++root) {
        cursor.take(root << 16, root << 16 | 0xffff);
        Address entry = values[cursor.below];
        if (cursor.begin < cursor.end) {
            keys.clear();
            found.clear();
            for (std::size_t i = cursor.begin; i < cursor.end; ++i) {
                keys.push_back(static_cast<std::uint16_t>(map.starts[i]));
                found.push_back(values[map.classes[i]]);
            }
            entry = put_tree(bank, entry, keys, found) | FW_INDEX_IS_TREE;
        }
        bank[table + root] = entry;
    }
    return table;
}

// The class that holds for the most addresses.
ClassNumber commonest(const ClassMap<std::uint32_t>& map, std::size_t classes) {
    std::vector<std::uint64_t> sizes(classes);
    for (std::size_t i = 0; i < map.starts.size(); ++i) {
        const std::uint64_t end = i + 1 < map.starts.size() ? map.starts[i + 1] : std::uint64_t{1} << 32;
        sizes[map.classes[i]] += end - map.starts[i];
    }
    return static_cast<ClassNumber>(std::max_element(sizes.begin(), sizes.end()) - sizes.begin());
}

Address put_known_blocks(Bank& bank, const ClassMap<std::uint32_t>& map, ClassNumber outside) {
    const Address bits = bank.reserve(kBlocks / 32, FW_PAGE_WORDS);
    for (std::size_t i = 0; i < map.starts.size(); ++i) {
        if (map.classes[i] == outside) continue;
        const std::uint64_t end = i + 1 < map.starts.size() ? map.starts[i + 1] : std::uint64_t{1} << 32;
        for (std::uint64_t block = map.starts[i] >> kBlockBits; block <= (end - 1) >> kBlockBits; ++block)
            bank[bits + static_cast<Address>(block / 32)] |= 1U << (block % 32);
    }
    return bits;
}

// One level of IPv6: the pieces that share `first` down to their `shift`th bit, told apart by the 64 bits
// above it.
class Ipv6Index {
public:
    Ipv6Index(Bank& bank, const ClassMap<Uint128>& map, std::span<const Address> values)
        : bank_(bank), map_(map), values_(values) {}

    Address put() {
        const Address table = bank_.reserve(kRoots, FW_PAGE_WORDS);
        Cursor<Uint128> cursor(map_);
        for (std::uint32_t root = 0; root < kRoots; ++root) {
            const Uint128 first = Uint128{root} << 112;
            cursor.take(first, first | ((Uint128{1} << 112) - 1));
            const Address entry = cursor.begin == cursor.end ? values_[cursor.below] : put_upper(cursor);
            bank_[table + root] = entry;
        }
        return table;
    }

private:
    // A key for each /64 in which something begins. What begins within it makes a tree of its own, and what
    // holds at its end goes on at the next.
    Address put_upper(const Cursor<Uint128>& cursor) {
        std::vector<std::uint64_t> keys;
        std::vector<std::uint32_t> found;
        const auto add = [&](std::uint64_t key, Address value) {
            if (!keys.empty() && keys.back() == key) {
                found.back() = value;
                return;
            }
            keys.push_back(key);
            found.push_back(value);
        };
        ClassNumber before = cursor.below;
        for (std::size_t i = cursor.begin; i < cursor.end;) {
            const auto network = static_cast<std::uint64_t>(map_.starts[i] >> 64);
            std::size_t end = i;
            while (end < cursor.end && static_cast<std::uint64_t>(map_.starts[end] >> 64) == network) ++end;
            const bool whole = end == i + 1 && static_cast<std::uint64_t>(map_.starts[i]) == 0;
            add(network, whole ? values_[map_.classes[i]] : put_lower(before, i, end));
            before = map_.classes[end - 1];
            if (!whole && network != ~std::uint64_t{0}) add(network + 1, values_[before]);
            i = end;
        }
        const Address below = values_[cursor.below];
        return put_tree(bank_, below, keys, found) | FW_INDEX_IS_TREE;
    }

    Address put_lower(ClassNumber before, std::size_t begin, std::size_t end) {
        std::vector<std::uint64_t> keys;
        std::vector<std::uint32_t> found;
        for (std::size_t i = begin; i < end; ++i) {
            keys.push_back(static_cast<std::uint64_t>(map_.starts[i]));
            found.push_back(values_[map_.classes[i]]);
        }
        return put_tree(bank_, values_[before], keys, found) | FW_INDEX_IS_TREE;
    }

    Bank& bank_;
    const ClassMap<Uint128>& map_;
    std::span<const Address> values_;
};

}  // namespace

fw_address_index put_address_index(Bank& bank, const Classes& classes, std::span<const Address> values) {
    fw_address_index index{};
    const ClassMap<std::uint32_t>& ipv4 = classes.ipv4();
    const ClassMap<Uint128>& ipv6 = classes.ipv6();
    const ClassNumber outside = commonest(ipv4, classes.members().size());
    index.outside[0] = values[0];
    index.outside[1] = values[outside];
    index.outside[2] = values[ipv6.classes.front()];
    if (ipv4.classes.size() > 1) index.ipv4 = put_ipv4(bank, ipv4, values);
    if (ipv4.classes.size() > kWorthAMap) index.ipv4_known = put_known_blocks(bank, ipv4, outside);
    if (ipv6.classes.size() > 1) index.ipv6 = Ipv6Index(bank, ipv6, values).put();
    return index;
}

}  // namespace fwctl::compile
