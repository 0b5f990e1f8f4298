#include "engine/talkers.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "kernel/grace.h"
#include "kernel/talker_tables.h"
#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

policy::Prefix prefix_of(const fw_talker& talker) {
    policy::Prefix prefix;
    prefix.family = static_cast<policy::Family>(talker.family);
    prefix.length = policy::address_bits(prefix.family);
    std::copy(std::begin(talker.source.bytes), std::end(talker.source.bytes), prefix.address.begin());
    return prefix;
}

// What one that is not in the bucket may have sent.
std::uint64_t most_unlisted(const fw_talker_bucket& bucket) {
    std::uint64_t smallest = ~std::uint64_t{0};
    for (const fw_talker& talker : bucket.ways) smallest = std::min<std::uint64_t>(smallest, talker.packets);
    return smallest;
}

}  // namespace

void add_talkers(const TalkerBuckets& by_processor, TalkerList& list) {
    std::uint64_t unlisted = 0;
    for (const fw_talker_bucket& bucket : by_processor) unlisted += most_unlisted(bucket);
    struct Sum {
        Talker talker;
        std::uint64_t unlisted = 0;  // by the processors that have not got it
    };
    std::map<policy::Prefix, Sum> sums;
    for (const fw_talker_bucket& bucket : by_processor)
        for (const fw_talker& one : bucket.ways) {
            if (one.packets == 0) continue;
            const policy::Prefix source = prefix_of(one);
            Sum& sum = sums.try_emplace(source, Sum{{source}, unlisted}).first->second;
            sum.talker.packets += one.packets - one.error;
            sum.talker.more += one.error;
            sum.talker.bytes += one.bytes;
            sum.talker.dropped += one.dropped;
            sum.unlisted -= most_unlisted(bucket);
            list.packets += one.packets;
        }
    for (auto& [source, sum] : sums) {
        sum.talker.more += sum.unlisted;
        list.talkers.push_back(sum.talker);
    }
    list.unlisted = std::max(list.unlisted, unlisted);
}

Result<Talkers> Talkers::open(const Store& store) {
    auto tables = kernel::make_talker_tables();
    if (!tables) return tl::unexpected(tables.error());
    Wanted wanted;
    wanted.talkers = tables->fd();
    auto listener = Listener::open(store, wanted);
    if (!listener) return tl::unexpected(listener.error());
    return Talkers(std::move(*listener), std::move(*tables));
}

Status Talkers::clear(std::uint32_t table) const {
    for (std::uint32_t bucket = 0; bucket < FW_TALKER_BUCKETS; ++bucket)
        if (auto cleared = tables_.clear_per_cpu<fw_talker_bucket>(table * FW_TALKER_BUCKETS + bucket);
            !cleared)
            return cleared;
    return {};
}

// The other table was cleared when it was read: no packet has found it since.
Result<TalkerList> Talkers::look() {
    const std::uint32_t full = table_;
    table_ = 1 - table_;
    if (auto turned = listener_.fill(table_); !turned) return tl::unexpected(turned.error());
    if (auto waited = kernel::wait_for_packets(); !waited) return tl::unexpected(waited.error());
    TalkerList list;
    for (std::uint32_t bucket = 0; bucket < FW_TALKER_BUCKETS; ++bucket) {
        auto buckets = tables_.per_cpu<fw_talker_bucket>(full * FW_TALKER_BUCKETS + bucket);
        if (!buckets) return tl::unexpected(buckets.error());
        add_talkers(*buckets, list);
    }
    if (auto cleared = clear(full); !cleared) return tl::unexpected(cleared.error());
    std::sort(list.talkers.begin(), list.talkers.end(), [](const Talker& one, const Talker& other) {
        return std::tie(other.packets, one.source) < std::tie(one.packets, other.source);
    });
    return list;
}

}  // namespace fwctl::engine
