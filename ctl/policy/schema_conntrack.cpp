// The keys of [conntrack].
#include <array>
#include <string>

#include "base/text.h"
#include "policy/rule.h"
#include "policy/schema.h"
#include "policy/value.h"

namespace fwctl::policy {

namespace {

using Words = std::vector<std::string>;

// What half of the flow table's pages hold (fwctl/abi/limits.h): the other half is for one of another size.
constexpr std::uint32_t kLargestTable = 2'500'000;

// Deadlines are 32-bit numbers that come around.
constexpr std::chrono::hours kLongest{365 * 24};

Status read_timeout(std::uint32_t& seconds, std::string_view word) {
    const auto duration = parse_duration(word);
    if (!duration) {
        return tl::unexpected(duration.error());
    }
    if (*duration > kLongest) {
        return fail("a flow stays at most 365d without a packet", Exit::kUsage);
    }
    seconds = static_cast<std::uint32_t>(duration->count());
    return {};
}

template <FlowTimeout Which>
constexpr Key<Conntrack> timeout(std::string_view name, std::string_view accepts, std::string_view meaning) {
    constexpr auto kPlace = static_cast<std::size_t>(Which);
    return {name,
            ValueKind::kWord,
            false,
            accepts,
            meaning,
            [](Conntrack& conntrack, std::string_view word) {
                return read_timeout(conntrack.timeouts[kPlace], word);
            },
            [](const Conntrack& conntrack) {
                const std::uint32_t seconds = conntrack.timeouts[kPlace];
                return seconds == Conntrack{}.timeouts[kPlace]
                           ? Words{}
                           : Words{format_duration(std::chrono::seconds(seconds))};
            }};
}

constexpr std::array kConntrackKeys = {
    Key<Conntrack>{"size", ValueKind::kInteger, false, "40000",
                   "Confirmed flows that there is room for, some 420 bytes for each; absent: 40000.",
                   [](Conntrack& conntrack, std::string_view word) {
                       return read_count(conntrack.size, kLargestTable, word, "size");
                   },
                   [](const Conntrack& conntrack) {
                       return conntrack.size == Conntrack{}.size ? Words{}
                                                                 : Words{std::to_string(conntrack.size)};
                   }},
    Key<Conntrack>{"asymmetric", ValueKind::kWords, false, "eth0, wan*",
                   "Attachments or interfaces that see one way of flows alone; absent: none.",
                   [](Conntrack& conntrack, std::string_view word) {
                       conntrack.asymmetric.emplace_back(word);
                       return check_interface(word);
                   },
                   [](const Conntrack& conntrack) { return conntrack.asymmetric; }},
    timeout<FlowTimeout::kTcpSynSent>("tcp-syn-sent", "2m", "Behind a SYN; absent: 2m."),
    timeout<FlowTimeout::kTcpSynReceived>("tcp-syn-received", "1m", "Behind the answer to it; absent: 1m."),
    timeout<FlowTimeout::kTcpEstablished>("tcp-established", "5d", "While both ends talk; absent: 5d."),
    timeout<FlowTimeout::kTcpFinWait>("tcp-fin-wait", "2m", "One end has closed; absent: 2m."),
    timeout<FlowTimeout::kTcpCloseWait>("tcp-close-wait", "1m", "The other has heard of it; absent: 1m."),
    timeout<FlowTimeout::kTcpLastAck>("tcp-last-ack", "30s", "Both have closed; absent: 30s."),
    timeout<FlowTimeout::kTcpTimeWait>("tcp-time-wait", "2m", "Both have heard of it; absent: 2m."),
    timeout<FlowTimeout::kTcpClosed>("tcp-closed", "10s", "Behind a reset; absent: 10s."),
    timeout<FlowTimeout::kUdp>("udp", "30s", "UDP that was not answered; absent: 30s."),
    timeout<FlowTimeout::kUdpStream>("udp-stream", "2m", "UDP that was; absent: 2m."),
    timeout<FlowTimeout::kSctp>("sctp", "10s", "SCTP that was not answered; absent: 10s."),
    timeout<FlowTimeout::kSctpStream>("sctp-stream", "3m30s", "SCTP that was; absent: 3m30s."),
    timeout<FlowTimeout::kIcmp>("icmp", "30s", "Queries of ICMP and ICMPv6; absent: 30s."),
    timeout<FlowTimeout::kOther>("other", "10m", "Other protocols; absent: 10m."),
    timeout<FlowTimeout::kFragment>("fragment", "30s", "The ports of a datagram in fragments; absent: 30s."),
};

}  // namespace

std::span<const Key<Conntrack>> conntrack_keys() {
    return kConntrackKeys;
}

}  // namespace fwctl::policy
