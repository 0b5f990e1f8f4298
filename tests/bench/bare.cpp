#include "bare.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include <vector>

namespace fwctl::bench {
namespace {

struct Bare {
    std::string name;
    const char* program;  // of peers.bpf.c
    int action = 0;
};

const std::vector<Bare> kBare = {
    {"bare XDP_DROP, as the baseline", "trivial", XDP_DROP},
    {"bare XDP_PASS", "let_pass", XDP_PASS},
    {"bare XDP_TX, MAC addresses exchanged", "send_back", XDP_TX},
    {"bare: parse and count", "parse_and_count", XDP_PASS},
    {"bare: eight calls of a function", "call_eight_times", XDP_PASS},
    {"bare: the frame's length, of all its pieces", "ask_length", XDP_PASS},
    {"bare: one of a million lines of 64 bytes", "read_line", XDP_PASS},
};

Status measure_one(Laboratory& laboratory, const Bare& bare, Report& report) {
    const std::vector<int> programs = laboratory.peers.programs(bare.program);
    for (const int program : programs) {
        const auto action = laboratory.driver.judge(program, 0);
        if (!action) return tl::unexpected(action.error());
        if (*action != bare.action) return fail(fmt::format("the program answers {}", *action));
    }
    PacketRow row{bare.name, {}, {}, {}, {}};
    for (std::size_t i = 0; i < kFlowCounts.size(); ++i) {
        if (kFlowCounts[i] > laboratory.effort.most_flows) continue;
        if (auto taken = laboratory.measurements.take(bare.name, kFlowCounts[i], laboratory.driver,
                                                      {programs}, laboratory.peers.trivial());
            !taken)
            return taken;
        if (laboratory.is_last())
            row.costs[i] = laboratory.measurements.costs(bare.name, kFlowCounts[i]).front();
    }
    if (laboratory.is_last()) report.add(row);
    return {};
}

}  // namespace

Status measure_bare(Laboratory& laboratory, const std::string& only, Report& report) {
    constexpr std::uint64_t kSeed = 7;
    laboratory.driver.set_flows(any_flow(policy::Family::kIpv4), laboratory.effort.most_flows, kSeed, false);
    for (const Bare& bare : kBare) {
        if (bare.name.find(only) == std::string::npos) continue;
        if (auto done = measure_one(laboratory, bare, report); !done) return context(bare.name, done.error());
    }
    return {};
}

}  // namespace fwctl::bench
