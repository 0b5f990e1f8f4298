#include "engine/block_trie.h"

#include <algorithm>
#include <iterator>

#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

using policy::Prefix;

fw_member_key key_of(std::uint32_t number, const Prefix& block) {
    fw_member_key key{};
    key.prefix_length = FW_MEMBER_KEY_FIXED_BITS + block.length;
    key.set = static_cast<std::uint16_t>(number);
    key.family = static_cast<std::uint8_t>(block.family);
    std::copy(block.address.begin(), block.address.end(), std::begin(key.address));
    return key;
}

Prefix prefix_of(const fw_member_key& key) {
    Prefix prefix;
    prefix.family = static_cast<policy::Family>(key.family);
    prefix.length = static_cast<std::uint8_t>(key.prefix_length - FW_MEMBER_KEY_FIXED_BITS);
    std::copy(std::begin(key.address), std::end(key.address), prefix.address.begin());
    return prefix;
}

}  // namespace

bool is_over(const fw_member& member, std::uint64_t now) {
    return member.expires != 0 && member.expires <= now;
}

std::vector<fw_member_key> BlockTrie::keys(std::uint32_t number) const {
    std::vector<fw_member_key> keys = map_->keys<fw_member_key>();
    std::erase_if(keys, [&](const fw_member_key& key) { return key.set != number; });
    return keys;
}

std::optional<fw_member> BlockTrie::exact(std::uint32_t number, const Prefix& block) const {
    auto found = map_->find<fw_member>(key_of(number, block));
    if (found && found->bits != block.length) found.reset();
    return found;
}

std::optional<Member> BlockTrie::covering(std::uint32_t number, const Prefix& address,
                                          std::uint64_t now) const {
    fw_member_key key = key_of(number, address);
    // A member whose time is over hides the longer-lived block around it.
    for (std::uint32_t bits = address.length;;) {
        key.prefix_length = FW_MEMBER_KEY_FIXED_BITS + bits;
        const auto member = map_->find<fw_member>(key);
        if (!member) return std::nullopt;
        if (!is_over(*member, now))
            return Member{policy::cut(address, static_cast<std::uint8_t>(member->bits)), member->expires};
        if (member->bits == 0 || member->bits > bits) return std::nullopt;
        bits = member->bits - 1;
    }
}

Result<std::vector<Member>> BlockTrie::list(std::uint32_t number, std::uint64_t now) const {
    auto entries = map_->entries<fw_member_key, fw_member>();
    if (!entries) return tl::unexpected(entries.error());
    std::vector<Member> members;
    for (const auto& [key, member] : *entries)
        if (key.set == number && !is_over(member, now)) members.push_back({prefix_of(key), member.expires});
    return members;
}

Result<BlockCounts> BlockTrie::counts(std::uint64_t now) const {
    auto entries = map_->entries<fw_member_key, fw_member>();
    if (!entries) return tl::unexpected(entries.error());
    BlockCounts counts(std::size_t{2} * FW_MAX_SETS);
    for (const auto& [key, member] : *entries) counts[key.set] += is_over(member, now) ? 0 : 1;
    return counts;
}

std::size_t BlockTrie::count(std::uint32_t number) const {
    return keys(number).size();
}

Result<bool> BlockTrie::put(std::uint32_t number, const Prefix& block, std::uint64_t expires) const {
    return map_->insert(key_of(number, block), fw_member{expires, block.length, 0});
}

Status BlockTrie::erase(std::uint32_t number, const Prefix& block) const {
    return map_->erase(key_of(number, block));
}

Result<std::size_t> BlockTrie::erase_all(std::uint32_t number) const {
    const auto all = keys(number);
    for (const fw_member_key& key : all)
        if (auto erased = map_->erase(key); !erased) return tl::unexpected(erased.error());
    return all.size();
}

Result<std::size_t> BlockTrie::erase_over(std::uint32_t number, std::uint64_t now) const {
    auto entries = map_->entries<fw_member_key, fw_member>();
    if (!entries) return tl::unexpected(entries.error());
    std::size_t erased = 0;
    for (const auto& [key, member] : *entries) {
        if (key.set != number || !is_over(member, now)) continue;
        if (auto done = map_->erase(key); !done) return tl::unexpected(done.error());
        ++erased;
    }
    return erased;
}

}  // namespace fwctl::engine
