#include "balance.h"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "policy/vip.h"

namespace fwctl::bench {
namespace {

// What the packets of a row are.
enum class Meeting {
    kPlaced,     // of TCP flows that are in the table
    kSyn,        // the first of a TCP connection
    kUnplaced,   // of TCP flows that go on, and are not in the table: each is put there
    kDatagram,   // the first of a UDP flow
    kNoService,  // for an address of none
};

struct BalanceScenario {
    std::string name;
    std::string forward;
    std::size_t backends = 10;
    Meeting meeting = Meeting::kPlaced;
    Targets targets;  // times constant encapsulation
    bool quick = false;
};

// The design has one figure for flows that a cache holds, and one for a million.
constexpr Targets kHit = {2.0, 2.0, std::nullopt, 4.5};
constexpr Targets kFirst = {5, 5, 5, 5};
constexpr Targets kNone = {};
constexpr Targets kPassedBy = {1.2, 1.2, 1.2, 1.2};

std::vector<BalanceScenario> balance_scenarios() {
    using enum Meeting;
    return {
        {"balance: l2-dsr, hit", "l2-dsr", 10, kPlaced, kHit, true},
        {"balance: ipip, hit", "ipip", 10, kPlaced, kHit, true},
        {"balance: gue, hit", "gue", 10, kPlaced, kHit, false},
        {"balance: nat, hit", "nat", 10, kPlaced, kNone, true},
        {"balance: full-nat, hit", "full-nat", 10, kPlaced, kNone, false},
        {"balance: ipip, hit, 100 backends", "ipip", 100, kPlaced, kHit, false},
        {"balance: ipip, new TCP (SYN)", "ipip", 10, kSyn, kFirst, true},
        {"balance: ipip, miss (no SYN)", "ipip", 10, kUnplaced, kFirst, false},
        {"balance: ipip, new UDP", "ipip", 10, kDatagram, kFirst, false},
        {"balance: not for a service", "ipip", 10, kNoService, kPassedBy, true},
    };
}

// The kernel's tables have room for 262,144, of which full-nat takes two for a flow (docs/nat.md).
constexpr std::uint32_t kMostTranslated = 65536;

Maker maker_of(Meeting meeting) {
    const auto to_service = [](std::uint8_t protocol, std::uint8_t flags) {
        return clients_of(Balancer::address(), kServicePort, protocol, flags);
    };
    switch (meeting) {
        case Meeting::kSyn:
            return to_service(IPPROTO_TCP, kSyn);
        case Meeting::kDatagram:
            return to_service(IPPROTO_UDP, 0);
        case Meeting::kNoService:
            return any_flow(policy::Family::kIpv4);
        case Meeting::kPlaced:
        case Meeting::kUnplaced:
            break;
    }
    return to_service(IPPROTO_TCP, kAck);
}

bool is_fresh(Meeting meeting) {
    return meeting == Meeting::kUnplaced || meeting == Meeting::kDatagram;
}

Status compare_answers(const Laboratory& laboratory, const Balancer& balancer, Meeting meeting) {
    const std::vector<Flow>& sample = laboratory.driver.sample();
    const std::vector<int> programs = balancer.programs();
    for (std::uint32_t i = 0; i < sample.size(); ++i) {
        const auto answer = Balancer::answer_of(laboratory.driver, programs[i % programs.size()], i);
        if (!answer) return tl::unexpected(answer.error());
        Status right = balancer.check(sample[i], *answer);
        if (meeting == Meeting::kNoService)
            right = answer->action == XDP_PASS ? Status{}
                                               : fail(fmt::format("the program answers {}", answer->action));
        if (!right) return context(fmt::format("packet {} of the sample", i), right.error());
    }
    return {};
}

Status measure_balance_row(Laboratory& laboratory, Balancer& balancer, const BalanceScenario& scenario,
                           Report& report) {
    constexpr std::uint64_t kSeed = 7;
    Driver& driver = laboratory.driver;
    const Effort& effort = laboratory.effort;
    BalanceRow row{scenario.name, {}, {}, scenario.targets, {}};
    driver.set_flows(maker_of(scenario.meeting), effort.most_flows, kSeed, is_fresh(scenario.meeting));
    if (auto served = balancer.serve(scenario.backends, scenario.forward); !served) return served;
    if (scenario.meeting == Meeting::kPlaced) {
        const auto placed = balancer.establish(driver, effort.most_flows);
        if (!placed) return tl::unexpected(placed.error());
        row.note = fmt::format("of {} flows {} are in the table", effort.most_flows, *placed);
    }
    std::uint32_t most = effort.most_flows;
    if (policy::translates(balancer.transport())) {
        most = std::min(most, kMostTranslated);
        if (auto confirmed = balancer.confirm(driver, most); !confirmed) return confirmed;
    }
    if (laboratory.is_first())
        if (auto agrees = compare_answers(laboratory, balancer, scenario.meeting); !agrees) return agrees;
    for (std::size_t i = 0; i < kFlowCounts.size(); ++i) {
        if (kFlowCounts[i] > most) continue;
        if (auto taken = laboratory.measurements.take(
                row.name, kFlowCounts[i], driver,
                {balancer.programs(), laboratory.peers.programs("encapsulate")}, laboratory.peers.trivial());
            !taken)
            return taken;
        if (!laboratory.is_last()) continue;
        const auto costs = laboratory.measurements.costs(row.name, kFlowCounts[i]);
        row.costs[i] = costs[0];
        row.constant[i] = costs[1];
    }
    if (laboratory.is_last()) report.add(row);
    return {};
}

}  // namespace

Status measure_balance(Laboratory& laboratory, std::optional<Balancer>& balancer, bool quick,
                       const std::string& only, Report& report) {
    bool has_begun = false;
    for (const BalanceScenario& scenario : balance_scenarios()) {
        if (quick && !scenario.quick) continue;
        if (scenario.name.find(only) == std::string::npos) continue;
        if (!balancer) {
            auto made = Balancer::make(laboratory.effort.loads, laboratory.peers);
            if (!made) return tl::unexpected(made.error());
            balancer.emplace(std::move(*made));
        }
        laboratory.driver.enter_at(balancer->ifindex());
        if (laboratory.is_last() && !has_begun) report.balance_begin();
        has_begun = true;
        if (auto done = measure_balance_row(laboratory, *balancer, scenario, report); !done)
            return context(scenario.name, done.error());
    }
    laboratory.driver.enter_at(0);
    return {};
}

}  // namespace fwctl::bench
