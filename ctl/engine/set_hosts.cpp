#include "engine/set_hosts.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>

#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

using policy::Prefix;

constexpr std::uint32_t kBucketsAtATime = +FW_MAX_SET_REQUESTS / +FW_BUCKET_HOSTS;
constexpr int kBusyTurns = 1000;

std::uint64_t end_of(std::uint64_t expires) {
    if (expires == 0) return FW_HOST_FOR_EVER;
    const std::uint64_t ticks = (expires >> FW_HOST_TICK_SHIFT) + 1;
    return std::min<std::uint64_t>(ticks, FW_HOST_FOR_EVER - 1);
}

Member member_of(const fw_set_request& request) {
    Member member;
    member.prefix.family = static_cast<policy::Family>(request.family);
    member.prefix.length = policy::address_bits(member.prefix.family);
    std::memcpy(member.prefix.address.data(), request.address, sizeof(request.address));
    member.expires = request.end == FW_HOST_FOR_EVER ? 0 : request.end << FW_HOST_TICK_SHIFT;
    return member;
}

}  // namespace

bool is_host(const Prefix& prefix) {
    return prefix.length == policy::address_bits(prefix.family);
}

fw_set_request SetHosts::request(const Member& host) {
    fw_set_request request{};
    std::memcpy(request.address, host.prefix.address.data(), sizeof(request.address));
    request.family = static_cast<std::uint8_t>(host.prefix.family);
    request.end = end_of(host.expires);
    return request;
}

std::uint32_t SetHosts::table() const {
    return static_cast<std::uint32_t>(tables_->state(number_) & FW_SET_TABLE);
}

std::uint64_t SetHosts::held() const {
    return std::atomic_ref(tables_->set(number_).tables[table()].hosts).load();
}

fw_set_job SetHosts::job(fw_set_command command, std::uint32_t table) const {
    fw_set_job job{};
    job.command = command;
    job.set = number_;
    job.table = table;
    job.now = now_in_ticks();
    return job;
}

Status SetHosts::run(fw_set_command command, std::uint32_t table, std::uint64_t limit,
                     Requests& requests) const {
    auto program = tables_->program();
    if (!program) return tl::unexpected(program.error());
    const auto room = (*program)->requests();
    fw_set_job job = this->job(command, table);
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

Status SetHosts::for_each_bucket(fw_set_command command) const {
    auto program = tables_->program();
    if (!program) return tl::unexpected(program.error());
    fw_set_job job = this->job(command, table());
    for (const std::uint32_t buckets = tables_->table(number_).buckets; job.first < buckets;
         job.first += kBucketsAtATime) {
        job.count = std::min(kBucketsAtATime, buckets - job.first);
        if (auto done = (*program)->run(job); !done) return tl::unexpected(done.error());
    }
    return {};
}

// Also of the other table, while its hosts are being moved.
Status SetHosts::for_each(const std::function<void(const Member&)>& use) const {
    auto program = tables_->program();
    if (!program) return tl::unexpected(program.error());
    const std::uint64_t state = tables_->state(number_);
    for (const std::uint64_t table : {state & FW_SET_TABLE, ~state & FW_SET_TABLE}) {
        const bool holds = table == (state & FW_SET_TABLE) || (state & FW_SET_MOVING) != 0;
        const std::uint32_t buckets = holds ? tables_->set(number_).tables[table].buckets : 0;
        fw_set_job job = this->job(FW_SET_LIST, static_cast<std::uint32_t>(table));
        for (; job.first < buckets; job.first += kBucketsAtATime) {
            job.count = std::min(kBucketsAtATime, buckets - job.first);
            auto listed = (*program)->run(job);
            if (!listed) return tl::unexpected(listed.error());
            for (std::uint32_t i = 0; i < listed->filled; ++i) use(member_of((*program)->requests()[i]));
        }
    }
    return {};
}

Result<std::optional<Member>> SetHosts::find(const Prefix& host) const {
    if (tables_->table(number_).buckets == 0) return std::nullopt;
    Requests one = {request({host, 0})};
    if (auto found = run(FW_SET_FIND, table(), 0, one); !found) return tl::unexpected(found.error());
    return one[0].end == 0 ? std::nullopt : std::optional(member_of(one[0]));
}

}  // namespace fwctl::engine
