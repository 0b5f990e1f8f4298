#include "engine/flows.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>

#include "engine/session.h"
#include "policy/rule.h"
#include "policy/service.h"

namespace fwctl::engine {
namespace {

using policy::FlowTimeout;

// By enum fw_flow_timeout.
constexpr std::array<FlowTimeout, FW_TIMEOUTS> kTimeouts = [] {
    std::array<FlowTimeout, FW_TIMEOUTS> timeouts{};
    timeouts[FW_TCP_NONE] = FlowTimeout::kTcpSynSent;
    timeouts[FW_TCP_SYN_SENT] = FlowTimeout::kTcpSynSent;
    timeouts[FW_TCP_SYN_RECEIVED] = FlowTimeout::kTcpSynReceived;
    timeouts[FW_TCP_ESTABLISHED] = FlowTimeout::kTcpEstablished;
    timeouts[FW_TCP_FIN_WAIT] = FlowTimeout::kTcpFinWait;
    timeouts[FW_TCP_CLOSE_WAIT] = FlowTimeout::kTcpCloseWait;
    timeouts[FW_TCP_LAST_ACK] = FlowTimeout::kTcpLastAck;
    timeouts[FW_TCP_TIME_WAIT] = FlowTimeout::kTcpTimeWait;
    timeouts[FW_TCP_CLOSED] = FlowTimeout::kTcpClosed;
    timeouts[FW_TCP_SYN_SENT_BOTH] = FlowTimeout::kTcpSynSent;
    timeouts[FW_TIMEOUT_UDP_NEW] = FlowTimeout::kUdp;
    timeouts[FW_TIMEOUT_UDP] = FlowTimeout::kUdpStream;
    timeouts[FW_TIMEOUT_SCTP_NEW] = FlowTimeout::kSctp;
    timeouts[FW_TIMEOUT_SCTP] = FlowTimeout::kSctpStream;
    timeouts[FW_TIMEOUT_ICMP] = FlowTimeout::kIcmp;
    timeouts[FW_TIMEOUT_OTHER] = FlowTimeout::kOther;
    timeouts[FW_TIMEOUT_FRAGMENT] = FlowTimeout::kFragment;
    return timeouts;
}();

std::uint32_t ticks_of(std::uint32_t seconds) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    return static_cast<std::uint32_t>((seconds * kSecond >> FW_FLOW_TICK_SHIFT) + 1);
}

constexpr std::array<std::string_view, FW_TCP_STATES> kTcpStates = {
    "none",       "syn-sent", "syn-received", "established", "fin-wait",
    "close-wait", "last-ack", "time-wait",    "closed",      "syn-sent-by-both"};

constexpr std::uint8_t kFragments =
    0x80;  // of the family: what is noted of first fragments, which is no flow

std::uint32_t ticks_now() {
    return static_cast<std::uint32_t>(monotonic_now() >> FW_FLOW_TICK_SHIFT);
}

std::array<std::uint8_t, 16> address_of(const fw_flow_key& key, std::size_t end) {
    std::array<std::uint8_t, 16> address{};
    std::memcpy(address.data(), key.ends[end], address.size());
    return address;
}

// nullopt: it is over, or no flow.
std::optional<FlowView> view_of(const fw_flow& flow, std::size_t way, std::uint32_t now) {
    const auto left = static_cast<std::int32_t>(flow.expires - now);
    const auto family = static_cast<std::uint8_t>(flow.key.rest >> 40);
    if (left <= 0 || (family & kFragments) != 0) return std::nullopt;
    const std::size_t opener = (flow.flags & FW_FLOW_OPENED_BY_SECOND) != 0 ? 1 : 0;
    const auto port_of = [&](std::size_t end) {
        return static_cast<std::uint16_t>(flow.key.rest >> 16 * end);
    };
    FlowView view;
    view.opener.family = static_cast<policy::Family>(family);
    view.opener.source = address_of(flow.key, opener);
    view.opener.destination = address_of(flow.key, 1 - opener);
    view.opener.protocol = static_cast<std::uint8_t>(flow.key.rest >> 32);
    view.opener.has_l4 = true;
    view.opener.source_port = port_of(opener);
    view.opener.selector = port_of(1 - opener);
    const bool is_icmp =
        view.opener.protocol == policy::kProtocolIcmp || view.opener.protocol == policy::kProtocolIcmp6;
    // The identifier stands first, the question's type behind it.
    if (is_icmp) view.opener.selector = static_cast<std::uint16_t>(port_of(1) << 8);
    view.is_confirmed = way < FW_FLOW_CONFIRMED;
    view.left =
        std::chrono::seconds((static_cast<std::uint64_t>(left) << FW_FLOW_TICK_SHIFT) / 1'000'000'000);
    if (view.opener.protocol == policy::kProtocolTcp)
        view.state = kTcpStates[std::min<std::size_t>(flow.state, FW_TCP_STATES - 1)];
    else
        view.state = (flow.flags & FW_FLOW_ANSWERED) != 0 ? "answered" : "new";
    return view;
}

// As it stood between two changes.
std::unique_ptr<fw_flow_bucket> copy_of(const fw_flow_bucket& bucket) {
    auto copy = std::make_unique<fw_flow_bucket>();
    // Should a processor stand still while it holds the lock, a copy that may be torn is better than none.
    for (int tries = 0; tries < 1000; ++tries) {
        const auto& lock = reinterpret_cast<const std::atomic<__u32>&>(bucket.lock);
        const __u32 before = lock.load(std::memory_order_acquire);
        std::memcpy(copy.get(), &bucket, sizeof(bucket));
        std::atomic_thread_fence(std::memory_order_acquire);
        if ((before & 1) == 0 && lock.load(std::memory_order_relaxed) == before) break;
    }
    return copy;
}

// `use(view, bucket, way)` for each flow that the filter matches.
using UseFlow = std::function<void(const FlowView&, fw_flow_bucket&, const fw_flow_bucket&, std::size_t)>;
Status for_each_flow(const Store& store, const policy::Rule& filter, const UseFlow& use) {
    const std::uint32_t now = ticks_now();
    return store.for_each_bucket([&](fw_flow_bucket& bucket) {
        if (std::all_of(std::begin(bucket.tags), std::end(bucket.tags), [](__u32 tag) { return tag == 0; }))
            return;
        const auto copy = copy_of(bucket);
        for (std::size_t way = 0; way < FW_FLOW_WAYS; ++way) {
            if (copy->tags[way] == 0) continue;
            const auto view = view_of(copy->flows[way], way, now);
            if (view && policy::matches(filter, view->opener, {})) use(*view, bucket, *copy, way);
        }
    });
}

}  // namespace

bool follows_flows(const State& state) {
    return (state.main.tier.needs & FW_TIER_FOLLOWS) != 0 ||
           std::any_of(state.live.begin(), state.live.end(),
                       [](const CountedRule& counted) { return policy::asks_state(counted.rule); });
}

std::uint32_t flow_pages(const State& state) {
    constexpr std::uint32_t kPerPage = std::uint32_t{FW_FLOW_PAGE_BUCKETS} * FW_FLOW_CONFIRMED / 2;
    return (state.front.conntrack.size + kPerPage - 1) / kPerPage;
}

void put_flows(const State& state, fw_generation& generation) {
    generation.follows = follows_flows(state) ? 1 : 0;
    generation.flow_pages = generation.follows != 0 ? flow_pages(state) : 0;
    const policy::Conntrack& conntrack = state.front.conntrack;
    for (std::size_t i = 0; i < FW_TIMEOUTS; ++i)
        generation.timeouts[i] = ticks_of(conntrack.timeouts[static_cast<std::size_t>(kTimeouts[i])]);
    for (const Attachment& attachment : state.attachments)
        for (const std::string& name : attachment.names())
            if (policy::any_matches(conntrack.asymmetric, name) && !conntrack.asymmetric.empty())
                generation.attachments[attachment.slot].asymmetric = 1;
}

// Without copying buckets.
Result<FlowUse> count_flows(const Store& store) {
    FlowUse use;
    const std::uint32_t now = ticks_now();
    auto counted = store.for_each_bucket([&](const fw_flow_bucket& bucket) {
        for (std::size_t way = 0; way < FW_FLOW_WAYS; ++way)
            if (bucket.tags[way] != 0 && view_of(bucket.flows[way], way, now))
                ++(way < FW_FLOW_CONFIRMED ? use.confirmed : use.fresh);
    });
    if (!counted) return tl::unexpected(counted.error());
    return use;
}

Result<FlowTable> list_flows(const policy::Rule& filter) {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return nothing_attached();
    const Store& store = (*reading)->store;
    FlowTable table;
    auto counts = store.flow_counts();
    if (!counts) return tl::unexpected(counts.error());
    table.counts = *counts;
    table.room = store.flow_room();
    auto listed = for_each_flow(
        store, filter, [&](const FlowView& view, fw_flow_bucket&, const fw_flow_bucket&, std::size_t) {
            table.flows.push_back(view);
        });
    if (!listed) return tl::unexpected(listed.error());
    return table;
}

// Without the bucket's lock, which a command that is killed would never give back: a way is free as soon as
// its tag is 0, and no program takes a tag for another than the one that it has found.
Result<std::size_t> flush_flows(const policy::Rule& filter) {
    auto reading = open_to_read();
    if (!reading) return tl::unexpected(reading.error());
    if (!*reading) return nothing_attached();
    std::size_t flushed = 0;
    auto done = for_each_flow(
        (*reading)->store, filter,
        [&](const FlowView&, fw_flow_bucket& bucket, const fw_flow_bucket& copy, std::size_t way) {
            __u32 tag = copy.tags[way];
            if (std::atomic_ref<__u32>(bucket.tags[way]).compare_exchange_strong(tag, 0)) ++flushed;
        });
    if (!done) return tl::unexpected(done.error());
    return flushed;
}

}  // namespace fwctl::engine
