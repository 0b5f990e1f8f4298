#include "engine/flows.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "policy/rule.h"

namespace fwctl::engine {
namespace {

// In seconds, as those of Linux's own connection tracking.
constexpr std::array<std::uint32_t, FW_TIMEOUTS> kTimeouts = [] {
    std::array<std::uint32_t, FW_TIMEOUTS> timeouts{};
    timeouts[FW_TCP_NONE] = 60;
    timeouts[FW_TCP_SYN_SENT] = 120;
    timeouts[FW_TCP_SYN_RECEIVED] = 60;
    timeouts[FW_TCP_ESTABLISHED] = 5 * 24 * 3600;
    timeouts[FW_TCP_FIN_WAIT] = 120;
    timeouts[FW_TCP_CLOSE_WAIT] = 60;
    timeouts[FW_TCP_LAST_ACK] = 30;
    timeouts[FW_TCP_TIME_WAIT] = 120;
    timeouts[FW_TCP_CLOSED] = 10;
    timeouts[FW_TCP_SYN_SENT_BOTH] = 120;
    timeouts[FW_TIMEOUT_UDP_NEW] = 30;
    timeouts[FW_TIMEOUT_UDP] = 120;
    timeouts[FW_TIMEOUT_SCTP_NEW] = 10;
    timeouts[FW_TIMEOUT_SCTP] = 210;
    timeouts[FW_TIMEOUT_ICMP] = 30;
    timeouts[FW_TIMEOUT_OTHER] = 600;
    timeouts[FW_TIMEOUT_FRAGMENT] = 30;
    return timeouts;
}();

std::uint32_t ticks_of(std::uint32_t seconds) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    return static_cast<std::uint32_t>((seconds * kSecond >> FW_TICK_SHIFT) + 1);
}

}  // namespace

bool follows_flows(const State& state) {
    return state.main.tier.asks_state != 0 ||
           std::any_of(state.live.begin(), state.live.end(),
                       [](const CountedRule& counted) { return policy::asks_state(counted.rule); });
}

void put_timeouts(fw_generation& generation) {
    std::transform(kTimeouts.begin(), kTimeouts.end(), generation.timeouts, ticks_of);
}

}  // namespace fwctl::engine
