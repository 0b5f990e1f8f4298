#include "engine/set_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <tuple>

#include "engine/clock.h"
#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

using policy::Family;
using policy::Prefix;

constexpr std::uint32_t kBucketsAtATime = +FW_MAX_SET_REQUESTS / +FW_BUCKET_HOSTS;
constexpr int kBusyTurns = 1000;

bool is_host(const Prefix& prefix) {
    return prefix.length == policy::address_bits(prefix.family);
}

std::uint64_t end_of(std::uint64_t expires) {
    if (expires == 0) return FW_HOST_FOR_EVER;
    const std::uint64_t ticks = (expires >> FW_HOST_TICK_SHIFT) + 1;
    return std::min<std::uint64_t>(ticks, FW_HOST_FOR_EVER - 1);
}

fw_set_request request_of(const Prefix& host, std::uint64_t end) {
    fw_set_request request{};
    std::memcpy(request.address, host.address.data(), sizeof(request.address));
    request.family = static_cast<std::uint8_t>(host.family);
    request.end = end;
    return request;
}

Member member_of(const fw_set_request& request) {
    Member member;
    member.prefix.family = static_cast<Family>(request.family);
    member.prefix.length = policy::address_bits(member.prefix.family);
    std::memcpy(member.prefix.address.data(), request.address, sizeof(request.address));
    member.expires = request.end == FW_HOST_FOR_EVER ? 0 : request.end << FW_HOST_TICK_SHIFT;
    return member;
}

// Whether a member that ends at `one` stays at least as long as one that ends at `other`.
bool lasts(std::uint64_t one, std::uint64_t other) {
    return one == 0 || (other != 0 && one >= other);
}

std::uint64_t count_blocks(const std::vector<Prefix>& members) {
    return static_cast<std::uint64_t>(
        std::count_if(members.begin(), members.end(), [](const Prefix& one) { return !is_host(one); }));
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

fw_set_job SetMembers::job(fw_set_command command) const {
    fw_set_job job{};
    job.command = command;
    job.set = number_;
    job.table = static_cast<std::uint32_t>(tables_->state(number_) & FW_SET_TABLE);
    job.now = now_in_ticks();
    return job;
}

// The requests with their results; what is busy is asked again.
Status SetMembers::run(fw_set_command command, std::uint32_t table, std::uint64_t limit,
                       Requests& requests) const {
    auto program = tables_->program();
    if (!program) return tl::unexpected(program.error());
    const auto room = (*program)->requests();
    fw_set_job job = this->job(command);
    job.table = table;
    job.limit = limit;
    for (std::size_t begin = 0; begin < requests.size(); begin += room.size()) {
        const auto piece = std::span(requests).subspan(begin, std::min(room.size(), requests.size() - begin));
        std::copy(piece.begin(), piece.end(), room.begin());
        job.count = static_cast<std::uint32_t>(piece.size());
        if (auto done = (*program)->run(job); !done) return tl::unexpected(done.error());
        std::copy_n(room.begin(), piece.size(), piece.begin());
    }
    job.count = 1;
    for (fw_set_request& request : requests) {
        for (int turn = 0; request.result == FW_SET_BUSY && turn < kBusyTurns; ++turn) {
            room[0] = request;
            if (auto done = (*program)->run(job); !done) return tl::unexpected(done.error());
            request = room[0];
        }
        if (request.result == FW_SET_BUSY) return fail("a bucket of the set stays locked: try again");
    }
    return {};
}

// How many hosts it was about.
Result<std::uint64_t> SetMembers::for_each_bucket(fw_set_command command) const {
    auto program = tables_->program();
    if (!program) return tl::unexpected(program.error());
    fw_set_job job = this->job(command);
    std::uint64_t sum = 0;
    for (const std::uint32_t buckets = tables_->table(number_).buckets; job.first < buckets;
         job.first += kBucketsAtATime) {
        job.count = std::min(kBucketsAtATime, buckets - job.first);
        auto done = (*program)->run(job);
        if (!done) return tl::unexpected(done.error());
        sum += done->filled;
    }
    return sum;
}

std::uint64_t SetMembers::hosts() const {
    const auto table = tables_->state(number_) & FW_SET_TABLE;
    return std::atomic_ref(tables_->set(number_).tables[table].hosts).load();
}

std::uint64_t SetMembers::most() const {
    return hosts() + tables_->set(number_).prefixes;
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
    if (auto swept = for_each_bucket(FW_SET_SWEEP); !swept) return tl::unexpected(swept.error());
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

// The set is swept before when there is no room for all.
Status SetMembers::add_block(const Prefix& block, std::uint64_t expires, EditCounts& counts) const {
    const auto known = blocks_.exact(trie_number(), block);
    const bool is_there = known && !is_over(*known, monotonic_now());
    if (is_there && lasts(known->expires, expires)) {
        ++counts.unchanged;
        return {};
    }
    if (!known && room() == 0) {
        ++counts.refused;
        return {};
    }
    const auto put = blocks_.put(trie_number(), block, expires);
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
    if (set.editing == 0) {
        set.editing = 1;
        return {};
    }
    const std::uint64_t state = tables_->state(number_);
    if (auto erased = blocks_.erase_all(fw_trie_number(number_, state ^ FW_SET_TRIE)); !erased)
        return tl::unexpected(erased.error());
    set_prefixes(blocks_.count(fw_trie_number(number_, state)));
    return {};
}

// Blocks first: nothing gives way to them.
Result<EditCounts> SetMembers::add(const std::vector<Prefix>& members, std::uint64_t expires) const {
    if (members.size() > room())
        if (auto swept = sweep(); !swept) return tl::unexpected(swept.error());
    EditCounts counts;
    Requests hosts;
    for (const Prefix& member : members) {
        if (is_host(member)) {
            hosts.push_back(request_of(member, end_of(expires)));
            continue;
        }
        if (auto added = add_block(member, expires, counts); !added) return tl::unexpected(added.error());
    }
    const auto table = static_cast<std::uint32_t>(tables_->state(number_) & FW_SET_TABLE);
    if (auto added = run(FW_SET_ADD, table, hosts_limit(), hosts); !added)
        return tl::unexpected(added.error());
    for (const fw_set_request& host : hosts) count_result(host.result, counts);
    tables_->set(number_).editing = 0;
    return counts;
}

Result<EditCounts> SetMembers::remove(const std::vector<Prefix>& members) const {
    EditCounts counts;
    Requests hosts;
    for (const Prefix& member : members) {
        if (is_host(member)) {
            hosts.push_back(request_of(member, 0));
            continue;
        }
        if (auto removed = remove_block(member, counts); !removed) return tl::unexpected(removed.error());
    }
    const auto table = static_cast<std::uint32_t>(tables_->state(number_) & FW_SET_TABLE);
    if (auto removed = run(FW_SET_DELETE, table, 0, hosts); !removed) return tl::unexpected(removed.error());
    for (const fw_set_request& host : hosts) count_result(host.result, counts);
    tables_->set(number_).editing = 0;
    return counts;
}

Result<EditCounts> SetMembers::rehearse(const std::vector<Prefix>& members,
                                        std::optional<std::uint64_t> expires) const {
    EditCounts counts;
    for (const Prefix& member : members) {
        std::optional<std::uint64_t> ends;
        if (is_host(member)) {
            Requests one = {request_of(member, 0)};
            const auto table = static_cast<std::uint32_t>(tables_->state(number_) & FW_SET_TABLE);
            if (auto found = run(FW_SET_FIND, table, 0, one); !found) return tl::unexpected(found.error());
            if (one[0].end != 0) ends = member_of(one[0]).expires;
        } else {
            const auto known = blocks_.exact(trie_number(), member);
            if (known && !is_over(*known, monotonic_now())) ends = known->expires;
        }
        if (!expires)
            ++(ends ? counts.done : counts.unchanged);
        else if (!ends)
            ++counts.done;
        else
            ++(lasts(*ends, *expires) ? counts.unchanged : counts.prolonged);
    }
    return counts;
}

Status SetMembers::flush() const {
    const std::uint64_t state = tables_->state(number_);
    tables_->set_state(number_, state & ~std::uint64_t{FW_SET_PREFIXES});
    if (auto emptied = for_each_bucket(FW_SET_EMPTY); !emptied) return tl::unexpected(emptied.error());
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
Status SetMembers::load(const std::vector<Prefix>& members, std::uint64_t expires,
                        std::uint32_t spare) const {
    const std::uint32_t beside = fw_trie_number(number_, tables_->state(number_) ^ FW_SET_TRIE);
    Requests hosts;
    for (const Prefix& member : members) {
        if (is_host(member)) {
            hosts.push_back(request_of(member, end_of(expires)));
            continue;
        }
        const auto put = blocks_.put(beside, member, expires);
        if (!put) return tl::unexpected(put.error());
        if (!*put) return refuse_blocks(members);
    }
    if (auto added = run(FW_SET_ADD, spare, ~std::uint64_t{0}, hosts); !added) return added;
    const bool has_room = std::none_of(hosts.begin(), hosts.end(), [](const fw_set_request& host) {
        return host.result == FW_SET_REFUSED || host.result == FW_SET_REPLACED;
    });
    return has_room ? Status{} : fail("the set's table has no room for all of them");
}

Status SetMembers::refuse_blocks(const std::vector<Prefix>& members) const {
    return fail(
        fmt::format("the list has {} blocks, and the dynamic sets have {} until it has taken the place "
                    "of these: together they may have {}",
                    count_blocks(members), all_blocks(), blocks_.limit()),
        Exit::kUsage);
}

Status SetMembers::check_room(const std::vector<Prefix>& members) const {
    if (members.size() > size_)
        return fail(fmt::format("the list has {} members, the set may have {}: raise its size in the policy",
                                members.size(), size_),
                    Exit::kUsage);
    return count_blocks(members) + all_blocks() > blocks_.limit() ? refuse_blocks(members) : Status{};
}

Status SetMembers::replace(const std::vector<Prefix>& members, std::uint64_t expires) const {
    if (auto fits = check_room(members); !fits) return fits;
    const std::uint64_t prefixes = count_blocks(members);
    auto spare = tables_->make_spare(number_, size_);
    if (!spare) return tl::unexpected(spare.error());
    const std::uint64_t before = tables_->state(number_);
    if (auto loaded = load(members, expires, *spare); !loaded) {
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
    if ((state & FW_SET_PREFIXES) != 0)
        members = blocks_.list(fw_trie_number(number_, state), monotonic_now());
    auto program = tables_->program();
    if (!program) return tl::unexpected(program.error());
    for (const std::uint64_t table : {state & FW_SET_TABLE, ~state & FW_SET_TABLE}) {
        const bool holds = table == (state & FW_SET_TABLE) || (state & FW_SET_MOVING) != 0;
        const std::uint32_t buckets = holds ? tables_->set(number_).tables[table].buckets : 0;
        fw_set_job job = this->job(FW_SET_LIST);
        job.table = static_cast<std::uint32_t>(table);
        for (; job.first < buckets; job.first += kBucketsAtATime) {
            job.count = std::min(kBucketsAtATime, buckets - job.first);
            auto listed = (*program)->run(job);
            if (!listed) return tl::unexpected(listed.error());
            for (std::uint32_t i = 0; i < listed->filled; ++i)
                members.push_back(member_of((*program)->requests()[i]));
        }
    }
    std::sort(members.begin(), members.end(), [](const Member& one, const Member& other) {
        return std::tie(one.prefix.family, one.prefix.address, one.prefix.length) <
               std::tie(other.prefix.family, other.prefix.address, other.prefix.length);
    });
    return members;
}

Result<std::size_t> SetMembers::count() const {
    auto members = list();
    if (!members) return tl::unexpected(members.error());
    return members->size();
}

Result<std::optional<Member>> SetMembers::find(const Prefix& address) const {
    const std::uint64_t state = tables_->state(number_);
    if (tables_->table(number_).buckets != 0) {
        Requests one = {request_of(address, 0)};
        if (auto found = run(FW_SET_FIND, static_cast<std::uint32_t>(state & FW_SET_TABLE), 0, one); !found)
            return tl::unexpected(found.error());
        if (one[0].end != 0) return std::optional(member_of(one[0]));
    }
    if ((state & FW_SET_PREFIXES) == 0) return std::nullopt;
    return blocks_.covering(fw_trie_number(number_, state), address, monotonic_now());
}

}  // namespace fwctl::engine
