#include "compile/tree.h"

#include <cstring>
#include <limits>

#include "fwctl/abi/image.h"

namespace fwctl::compile {
namespace {

// Lays sorted keys out so that a walk in order of the tree meets them in their order.
template <typename Key>
class Filler {
public:
    Filler(Bank& bank, const fw_tree& tree, std::span<const Key> keys, std::span<const std::uint32_t> values)
        : bank_(bank), tree_(tree), keys_(keys), values_(values) {}

    void fill(std::size_t node) {
        if (node >= tree_.nodes) return;
        for (std::size_t i = 0; i < FW_TREE_KEYS; ++i) {
            fill(node * (FW_TREE_KEYS + 1) + 1 + i);
            put(node * FW_TREE_KEYS + i);
        }
        fill(node * (FW_TREE_KEYS + 1) + 1 + FW_TREE_KEYS);
    }

private:
    void put(std::size_t place) {
        const bool used = next_ < keys_.size();
        const Key key = used ? keys_[next_] : std::numeric_limits<Key>::max();
        put_key(place, key);
        bank_[tree_.values + static_cast<Address>(place)] = used ? values_[next_] : values_.back();
        if (used) ++next_;
    }

    void put_key(std::size_t place, Key key) {
        auto* bytes = reinterpret_cast<unsigned char*>(&bank_[tree_.keys]);
        std::memcpy(bytes + place * sizeof(Key), &key, sizeof(key));
    }

    Bank& bank_;
    const fw_tree& tree_;
    std::span<const Key> keys_;
    std::span<const std::uint32_t> values_;
    std::size_t next_ = 0;
};

template <typename Key>
fw_tree tree_of(std::uint32_t below, std::span<const Key> keys) {
    fw_tree tree{};
    tree.below = below;
    tree.nodes = static_cast<std::uint32_t>((keys.size() + FW_TREE_KEYS - 1) / FW_TREE_KEYS);
    return tree;
}

constexpr std::size_t kTreeWords = sizeof(fw_tree) / sizeof(std::uint32_t);
// A small tree is one line of the cache.
constexpr std::size_t kLineWords = 16;

}  // namespace

Address put_tree(Bank& bank, std::uint32_t below, std::span<const std::uint16_t> keys,
                 std::span<const std::uint32_t> values) {
    fw_tree tree = tree_of(below, keys);
    const std::size_t head = kTreeWords + std::size_t{tree.nodes} * FW_TREE_KEYS / 2;
    const std::size_t value_words = std::size_t{tree.nodes} * FW_TREE_KEYS;
    const bool together = head + value_words <= FW_PAGE_WORDS;
    const Address address = bank.reserve_on_page(head + (together ? value_words : 0), kLineWords);
    tree.keys = address + kTreeWords;
    tree.values = together ? address + static_cast<Address>(head) : bank.reserve(value_words, 1);
    bank.set(address, tree);
    Filler<std::uint16_t>(bank, tree, keys, values).fill(0);
    return address;
}

Address put_tree(Bank& bank, std::uint32_t below, std::span<const std::uint64_t> keys,
                 std::span<const std::uint32_t> values) {
    fw_tree tree = tree_of(below, keys);
    const Address address = bank.reserve(kTreeWords, kTreeWords);
    tree.keys = bank.reserve(std::size_t{tree.nodes} * kLineWords, kLineWords);
    tree.values = bank.reserve(std::size_t{tree.nodes} * FW_TREE_KEYS, 1);
    bank.set(address, tree);
    Filler<std::uint64_t>(bank, tree, keys, values).fill(0);
    return address;
}

}  // namespace fwctl::compile
