#include "packets.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "audience.h"
#include "engine/clock.h"
#include "policy/builtin.h"

namespace fwctl::bench {
namespace {

// The oracle walks over all rules: so many of them for all packets of a row.
constexpr std::size_t kOracleRules = 10'000'000;
constexpr std::size_t kFewestPackets = 100;

bool drops(policy::Action action) {
    return action == policy::Action::kDeny || action == policy::Action::kReject;
}

std::optional<policy::FlowState> state_in(Traffic traffic) {
    switch (traffic) {
        case Traffic::kEstablished:
            return policy::FlowState::kEstablished;
        case Traffic::kFresh:
            return policy::FlowState::kNew;
        case Traffic::kAny:
            break;
    }
    return std::nullopt;
}

// A policy under which flows open, and then the row's own, under which they go on.
Status establish(Laboratory& laboratory, World& world) {
    policy::Policy open;
    open.conntrack = world.policy.conntrack;
    open.rules = {world.policy.rules.back()};
    std::vector<std::uint32_t> counters;
    auto image = Subject::compile(open, counters);
    if (!image) return tl::unexpected(image.error());
    if (auto published = laboratory.subject.publish(open, &*image, counters, {}); !published)
        return published;
    return laboratory.driver.establish(laboratory.subject.programs().front(), laboratory.effort.most_flows);
}

Status compare(const Laboratory& laboratory, const World& world, std::span<const int> programs) {
    const std::vector<policy::Rule> rules = laboratory.subject.rules(world.policy);
    const auto& sample = laboratory.driver.sample();
    const std::size_t count = std::min(sample.size(), std::max(kFewestPackets, kOracleRules / rules.size()));
    for (std::uint32_t i = 0; i < count; ++i) {
        policy::PacketView view = view_of(sample[i], kInterface);
        view.state = state_in(world.traffic);
        view.now = engine::monotonic_now();
        const auto rule = policy::first_match(rules, view, world.context);
        const bool dropped = drops(rule ? rules[*rule].action : world.policy.defaults.in);
        const int expected = dropped ? XDP_DROP : XDP_PASS;
        const int program = programs[i % programs.size()];
        const auto action = laboratory.driver.judge(program, i);
        if (!action) return tl::unexpected(action.error());
        if (*action != expected)
            return fail(
                fmt::format("packet {} of the sample: the program answers {}, the oracle {} (rule {})", i,
                            *action, expected, rule ? rules[*rule].name : "default"));
    }
    return {};
}

// How many rows of rules the programs compare for a packet, in the mean.
Result<double> rows_compared(const Laboratory& laboratory) {
    const kernel::Object& tracing = laboratory.subject.tracing();
    const auto count = static_cast<std::uint32_t>(laboratory.driver.sample().size());
    double rows = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        if (auto action = laboratory.driver.judge(tracing.program_fd(), i); !action)
            return tl::unexpected(action.error());
        auto trace = tracing.trace();
        if (!trace) return tl::unexpected(trace.error());
        rows += trace->row_count;
    }
    return rows / count;
}

// `name`: that no other row has.
Status measure_row(Laboratory& laboratory, const World& world, const std::string& name, PacketRow row,
                   std::span<const int> programs, Report& report) {
    if (laboratory.is_first())
        if (auto agrees = compare(laboratory, world, programs); !agrees) return context(name, agrees.error());
    const std::size_t most = laboratory.effort.most_flows;
    if (world.packets) {
        row.note += row.note.empty() ? "" : "; ";
        row.note += *world.packets > most ? fmt::format("the first {} of {} packets", most, *world.packets)
                                          : fmt::format("{} packets, again and again", *world.packets);
    }
    for (std::size_t i = 0; i < kFlowCounts.size(); ++i) {
        const bool all_came_before = i > 0 && world.packets && *world.packets <= kFlowCounts[i - 1];
        if (kFlowCounts[i] > most || all_came_before) continue;
        if (auto taken = laboratory.measurements.take(name, kFlowCounts[i], laboratory.driver,
                                                      {{programs.begin(), programs.end()}},
                                                      laboratory.peers.trivial());
            !taken)
            return context(name, taken.error());
        if (laboratory.is_last()) row.costs[i] = laboratory.measurements.costs(name, kFlowCounts[i]).front();
    }
    if (laboratory.is_last()) report.add(row);
    return {};
}

Status publish(Laboratory& laboratory, const World& world) {
    std::vector<std::uint32_t> counters;
    const policy::Policy& policy = world.policy;
    if (policy.rules.empty()) return laboratory.subject.publish(policy, nullptr, counters, world.live);
    auto image = Subject::compile(policy, counters);
    if (!image) return tl::unexpected(image.error());
    if (auto published = laboratory.subject.publish(policy, &*image, counters, world.live); !published)
        return published;
    return laboratory.subject.fill_sets(world.context);
}

}  // namespace

Status measure_packets(Laboratory& laboratory, const Scenario& scenario, Report& report) {
    const auto world = scenario.make();
    laboratory.driver.set_flows(world->flows, laboratory.effort.most_flows, world->seed,
                                world->traffic == Traffic::kFresh);
    if (world->traffic == Traffic::kEstablished) {
        policy::Conntrack& conntrack = world->policy.conntrack;
        conntrack.size = laboratory.effort.most_flows + laboratory.effort.most_flows / 4;
        // They stay while others are measured.
        for (const auto timeout : {policy::FlowTimeout::kUdp, policy::FlowTimeout::kUdpStream})
            conntrack.timeouts[static_cast<std::size_t>(timeout)] = 3'600;
        if (auto done = establish(laboratory, *world); !done) return context(scenario.name, done.error());
    }
    if (auto published = publish(laboratory, *world); !published)
        return context(scenario.name, published.error());
    PacketRow row{scenario.name, {}, scenario.targets, scenario.growth, {}};
    if (laboratory.is_last() && !world->policy.rules.empty()) {
        const auto rows = rows_compared(laboratory);
        if (!rows) return context(scenario.name, rows.error());
        row.note = fmt::format("a packet is compared with {:.1f} rows", *rows);
    }
    std::optional<Audience> audience;
    if (world->heard) {
        auto heard = Audience::of(laboratory.subject.store(), *world->heard);
        if (!heard) return context(scenario.name, heard.error());
        audience = std::move(*heard);
    }
    if (auto done =
            measure_row(laboratory, *world, scenario.name, row, laboratory.subject.programs(), report);
        !done)
        return done;
    if (world->trie == nullptr) return {};
    if (auto filled = laboratory.peers.fill_trie(*world->trie); !filled) return filled;
    const auto lookup = laboratory.peers.lookup(world->trie->front().family);
    PacketRow trie{"  LPM_TRIE, look-up alone", {}, {}, scenario.growth, {}};
    if (trie.growth) trie.growth->of += ", LPM_TRIE";
    return measure_row(laboratory, *world, scenario.name + trie.name, trie, lookup, report);
}

}  // namespace fwctl::bench
