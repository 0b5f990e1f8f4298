#include "engine/set_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <tuple>
#include <utility>

#include "engine/clock.h"
#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

using policy::Prefix;
using Requests = SetHosts::Requests;

// Whether a member that ends at `one` stays at least as long as one that ends at `other`.
bool lasts(std::uint64_t one, std::uint64_t other) {
    return one == 0 || (other != 0 && one >= other);
}

std::uint64_t count_blocks(const std::vector<Member>& members) {
    return static_cast<std::uint64_t>(std::count_if(members.begin(), members.end(),
                                                    [](const Member& one) { return !is_host(one.prefix); }));
}

void count_result(std::uint8_t result, EditCounts& counts) {
    switch (result) {
        case FW_SET_PROLONGED:
            ++counts.prolonged;
            break;
        case FW_SET_UNCHANGED:
            ++counts.unchanged;
            break;
        case FW_SET_REPLACED:
            ++counts.replaced;
            ++counts.done;
            break;
        case FW_SET_REFUSED:
            ++counts.refused;
            break;
        default:
            ++counts.done;
            break;
    }
}

}  // namespace

std::vector<Member> members_until(const std::vector<Prefix>& prefixes, std::uint64_t expires) {
    std::vector<Member> members;
    members.reserve(prefixes.size());
    for (const Prefix& prefix : prefixes) members.push_back({prefix, expires});
    return members;
}

std::uint64_t SetMembers::most() const {
    return hosts_.held() + tables_->set(number_).prefixes;
}

// How many more members the set may have.
std::uint64_t SetMembers::room() const {
    return size_ > most() ? size_ - most() : 0;
}

std::uint64_t SetMembers::hosts_limit() const {
    const std::uint64_t prefixes = tables_->set(number_).prefixes;
    return size_ > prefixes ? size_ - prefixes : 0;
}

// Takes out what is over. That looks at all that the set has, and at the blocks of other sets: the callers do
// so once in an edit, as what ends meanwhile can wait.
Status SetMembers::sweep() const {
    if (auto swept = hosts_.sweep(); !swept) return swept;
    const std::uint64_t prefixes = tables_->set(number_).prefixes;
    if (prefixes == 0) return {};
    const auto erased = blocks_.erase_over(trie_number(), monotonic_now());
    if (!erased) return tl::unexpected(erased.error());
    set_prefixes(prefixes - *erased);
    return {};
}

std::uint32_t SetMembers::trie_number() const {
    return fw_trie_number(number_, tables_->state(number_));
}

// The count first when it grows, the flag first when it goes: what packets see is never more than there is.
void SetMembers::set_prefixes(std::uint64_t count) const {
    const std::uint64_t state = tables_->state(number_);
    std::atomic_ref<__u64>(tables_->set(number_).prefixes).store(count);
    tables_->set_state(number_,
                       count == 0 ? state & ~std::uint64_t{FW_SET_PREFIXES} : state | FW_SET_PREFIXES);
}

// The set was swept before, when there was no room for all.
Status SetMembers::add_block(const Member& block, EditCounts& counts) const {
    const auto known = blocks_.exact(trie_number(), block.prefix);
    const bool is_there = known && !is_over(*known, monotonic_now());
    if (is_there && lasts(known->expires, block.expires)) {
        ++counts.unchanged;
        return {};
    }
    if (!known && room() == 0) {
        ++counts.refused;
        return {};
    }
    const auto put = blocks_.put(trie_number(), block.prefix, block.expires);
    if (!put) return tl::unexpected(put.error());
    if (!*put) {
        ++counts.refused;
        ++counts.crowded;
        return {};
    }
    if (!known) set_prefixes(tables_->set(number_).prefixes + 1);
    ++(is_there ? counts.prolonged : counts.done);
    return {};
}

Status SetMembers::remove_block(const Prefix& prefix, EditCounts& counts) const {
    const auto known = blocks_.exact(trie_number(), prefix);
    if (!known) {
        ++counts.unchanged;
        return {};
    }
    if (auto erased = blocks_.erase(trie_number(), prefix); !erased) return erased;
    set_prefixes(tables_->set(number_).prefixes - 1);
    ++(is_over(*known, monotonic_now()) ? counts.unchanged : counts.done);
    return {};
}

// A set that was being edited may have prefixes that are not counted, or some under its other number.
Status SetMembers::settle() const {
    if (auto settled = tables_->settle(number_); !settled) return settled;
    fw_set& set = tables_->set(number_);
    if (set.editing == 0) return {};
    const std::uint64_t state = tables_->state(number_);
    if (auto erased = blocks_.erase_all(fw_trie_number(number_, state ^ FW_SET_TRIE)); !erased)
        return tl::unexpected(erased.error());
    set_prefixes(blocks_.count(fw_trie_number(number_, state)));
    set.editing = 0;
    return {};
}

Status SetMembers::begin() const {
    if (auto settled = settle(); !settled) return settled;
    tables_->set(number_).editing = 1;
    return {};
}

// Blocks first: nothing gives way to them.
Result<EditCounts> SetMembers::add(const std::vector<Member>& members) const {
    if (members.size() > room())
        if (auto swept = sweep(); !swept) return tl::unexpected(swept.error());
    EditCounts counts;
    Requests hosts;
    for (const Member& member : members) {
        if (is_host(member.prefix)) {
            hosts.push_back(SetHosts::request(member));
            continue;
        }
        if (auto added = add_block(member, counts); !added) return tl::unexpected(added.error());
    }
    if (auto added = hosts_.run(FW_SET_ADD, hosts_.table(), hosts_limit(), hosts); !added)
        return tl::unexpected(added.error());
    for (const fw_set_request& host : hosts) count_result(host.result, counts);
    fw_set& set = tables_->set(number_);
    std::atomic_ref<__u64>(set.refused).fetch_add(counts.refused);
    set.editing = 0;
    return counts;
}

Result<EditCounts> SetMembers::remove(const std::vector<Prefix>& members) const {
    EditCounts counts;
    Requests hosts;
    for (const Prefix& member : members) {
        if (is_host(member)) {
            hosts.push_back(SetHosts::request({member, 0}));
            continue;
        }
        if (auto removed = remove_block(member, counts); !removed) return tl::unexpected(removed.error());
    }
    if (auto removed = hosts_.run(FW_SET_DELETE, hosts_.table(), 0, hosts); !removed)
        return tl::unexpected(removed.error());
    for (const fw_set_request& host : hosts) count_result(host.result, counts);
    tables_->set(number_).editing = 0;
    return counts;
}

Result<std::optional<std::uint64_t>> SetMembers::end_of(const Prefix& member) const {
    if (is_host(member)) {
        auto found = hosts_.find(member);
        if (!found) return tl::unexpected(found.error());
        return *found ? std::optional((*found)->expires) : std::nullopt;
    }
    const auto known = blocks_.exact(trie_number(), member);
    return known && !is_over(*known, monotonic_now()) ? std::optional(known->expires) : std::nullopt;
}

Result<EditCounts> SetMembers::rehearse_remove(const std::vector<Prefix>& members) const {
    EditCounts counts;
    for (const Prefix& member : members) {
        auto ends = end_of(member);
        if (!ends) return tl::unexpected(ends.error());
        ++(*ends ? counts.done : counts.unchanged);
    }
    return counts;
}

Result<EditCounts> SetMembers::rehearse_add(const std::vector<Member>& members) const {
    EditCounts counts;
    std::vector<Member> fresh;
    for (const Member& member : members) {
        auto ends = end_of(member.prefix);
        if (!ends) return tl::unexpected(ends.error());
        if (!*ends)
            fresh.push_back(member);
        else
            ++(lasts(**ends, member.expires) ? counts.unchanged : counts.prolonged);
    }
    if (auto fitted = fit(fresh, counts); !fitted) return tl::unexpected(fitted.error());
    return counts;
}

// Which of the members that are not there find room. A host may take the place of any that ends sooner: which
// ones stand where it may is left out of account.
Status SetMembers::fit(const std::vector<Member>& fresh, EditCounts& counts) const {
    counts.done += fresh.size();
    const std::uint64_t blocks = count_blocks(fresh);
    const std::uint64_t trie_room = blocks_.limit() - std::min(blocks_.limit(), all_blocks());
    counts.crowded = blocks - std::min(blocks, trie_room);
    std::uint64_t lacking = counts.crowded;
    if (fresh.size() > room()) {
        auto held = list();
        if (!held) return tl::unexpected(held.error());
        const std::uint64_t free = size_ - std::min<std::uint64_t>(size_, held->size());
        const std::uint64_t blocks_in = std::min(blocks - counts.crowded, free);
        const std::uint64_t hosts = fresh.size() - blocks;
        const std::uint64_t beyond = hosts - std::min(hosts, free - blocks_in);
        std::uint64_t latest = fresh.empty() ? 0 : fresh.front().expires;
        for (const Member& member : fresh)
            if (!lasts(latest, member.expires)) latest = member.expires;
        counts.replaced = std::min(beyond, static_cast<std::uint64_t>(std::count_if(
                                               held->begin(), held->end(), [&](const Member& one) {
                                                   return is_host(one.prefix) && !lasts(one.expires, latest);
                                               })));
        lacking = (blocks - blocks_in) + (beyond - counts.replaced);
    }
    counts.refused += lacking;
    counts.done -= lacking;
    return {};
}

Status SetMembers::flush() const {
    const std::uint64_t state = tables_->state(number_);
    tables_->set_state(number_, state & ~std::uint64_t{FW_SET_PREFIXES});
    if (auto emptied = hosts_.empty(); !emptied) return emptied;
    if (auto erased = blocks_.erase_all(fw_trie_number(number_, state)); !erased)
        return tl::unexpected(erased.error());
    set_prefixes(0);
    tables_->set(number_).editing = 0;
    return {};
}

std::uint64_t SetMembers::all_blocks() const {
    std::uint64_t blocks = 0;
    for (std::uint32_t number = 0; number < FW_MAX_SETS; ++number) blocks += tables_->set(number).prefixes;
    return blocks;
}

// What packets do not see yet.
Status SetMembers::load(const std::vector<Member>& members, std::uint32_t spare) const {
    const std::uint32_t beside = fw_trie_number(number_, tables_->state(number_) ^ FW_SET_TRIE);
    Requests hosts;
    for (const Member& member : members) {
        if (is_host(member.prefix)) {
            hosts.push_back(SetHosts::request(member));
            continue;
        }
        const auto put = blocks_.put(beside, member.prefix, member.expires);
        if (!put) return tl::unexpected(put.error());
        if (!*put) return refuse_blocks(members);
    }
    if (auto added = hosts_.run(FW_SET_ADD, spare, ~std::uint64_t{0}, hosts); !added) return added;
    const bool has_room = std::none_of(hosts.begin(), hosts.end(), [](const fw_set_request& host) {
        return host.result == FW_SET_REFUSED || host.result == FW_SET_REPLACED;
    });
    return has_room ? Status{} : fail("the set's table has no room for all of them");
}

Status SetMembers::refuse_blocks(const std::vector<Member>& members) const {
    return fail(
        fmt::format("the list has {} blocks, and the dynamic sets have {} until it has taken the place "
                    "of these: together they may have {}",
                    count_blocks(members), all_blocks(), blocks_.limit()),
        Exit::kUsage);
}

Status SetMembers::check_room(const std::vector<Member>& members) const {
    if (members.size() > size_)
        return fail(fmt::format("the list has {} members, the set may have {}: raise its size in the policy",
                                members.size(), size_),
                    Exit::kUsage);
    return count_blocks(members) + all_blocks() > blocks_.limit() ? refuse_blocks(members) : Status{};
}

Status SetMembers::replace(const std::vector<Member>& members) const {
    if (auto fits = check_room(members); !fits) return fits;
    const std::uint64_t prefixes = count_blocks(members);
    auto spare = tables_->make_spare(number_, size_);
    if (!spare) return tl::unexpected(spare.error());
    const std::uint64_t before = tables_->state(number_);
    if (auto loaded = load(members, *spare); !loaded) {
        (void)blocks_.erase_all(fw_trie_number(number_, before ^ FW_SET_TRIE));
        (void)tables_->drop_spare(number_);
        return loaded;
    }
    std::uint64_t next = (before ^ FW_SET_TRIE ^ FW_SET_TABLE) & ~std::uint64_t{FW_SET_PREFIXES};
    if (prefixes != 0) next |= FW_SET_PREFIXES;
    tables_->set_state(number_, next);
    std::atomic_ref<__u64>(tables_->set(number_).prefixes).store(prefixes);
    if (auto dropped = tables_->drop_spare(number_); !dropped) return dropped;
    if (auto erased = blocks_.erase_all(fw_trie_number(number_, before)); !erased)
        return tl::unexpected(erased.error());
    tables_->set(number_).editing = 0;
    return {};
}

Result<std::vector<Member>> SetMembers::list() const {
    const std::uint64_t state = tables_->state(number_);
    std::vector<Member> members;
    if ((state & FW_SET_PREFIXES) != 0) {
        auto blocks = blocks_.list(fw_trie_number(number_, state), monotonic_now());
        if (!blocks) return blocks;
        members = std::move(*blocks);
    }
    if (auto listed = hosts_.for_each([&](const Member& host) { members.push_back(host); }); !listed)
        return tl::unexpected(listed.error());
    std::sort(members.begin(), members.end(), [](const Member& one, const Member& other) {
        return std::tie(one.prefix.family, one.prefix.address, one.prefix.length) <
               std::tie(other.prefix.family, other.prefix.address, other.prefix.length);
    });
    return members;
}

bool SetMembers::has_blocks() const {
    return (tables_->state(number_) & FW_SET_PREFIXES) != 0;
}

Result<std::size_t> SetMembers::count() const {
    if (!has_blocks()) return count({});
    auto blocks = blocks_.counts(monotonic_now());
    if (!blocks) return tl::unexpected(blocks.error());
    return count(*blocks);
}

Result<std::size_t> SetMembers::count(const BlockCounts& blocks) const {
    std::size_t count = has_blocks() ? blocks[trie_number()] : 0;
    if (auto counted = hosts_.for_each([&](const Member&) { ++count; }); !counted)
        return tl::unexpected(counted.error());
    return count;
}

Result<std::optional<Member>> SetMembers::find(const Prefix& address) const {
    auto host = hosts_.find(address);
    if (!host || *host || !has_blocks()) return host;
    return blocks_.covering(trie_number(), address, monotonic_now());
}

std::optional<Member> SetMembers::block_around(const Prefix& member) const {
    if (!has_blocks() || member.length == 0) return std::nullopt;
    const auto wider = policy::cut(member, static_cast<std::uint8_t>(member.length - 1));
    return blocks_.covering(trie_number(), wider, monotonic_now());
}

}  // namespace fwctl::engine
