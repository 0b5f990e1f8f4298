// fwctl_bench: what a packet costs, see scripts/bench.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "balance.h"
#include "bare.h"
#include "kernel/bpffs.h"
#include "kernel/log.h"
#include "packets.h"
#include "ruleset.h"

namespace fwctl::bench {
namespace {

struct Arguments {
    bool quick = false;
    std::string json;
    std::string only;   // rows with this in their names
    std::string rules;  // files of somebody's own
    std::string trace;
    // Their row alone: nothing was said of others to stand beside it.
    [[nodiscard]] bool rules_alone() const { return !rules.empty() && only.empty(); }
};

constexpr const char* kUsage = "usage: [--quick] [--only ROW] [--rules FILE [--trace FILE]] [--json FILE]";

Result<Arguments> parse(int argc, char** argv) {
    Arguments arguments;
    const std::map<std::string_view, std::string*> options = {{"--json", &arguments.json},
                                                              {"--only", &arguments.only},
                                                              {"--rules", &arguments.rules},
                                                              {"--trace", &arguments.trace}};
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const auto option = options.find(word);
        if (word == "--quick")
            arguments.quick = true;
        else if (option == options.end())
            return refuse(fmt::format("unknown argument {}; {}", word, kUsage));
        else if (i + 1 == argc)
            return refuse(fmt::format("{} lacks its value; {}", word, kUsage));
        else
            *option->second = argv[++i];
    }
    if (!arguments.trace.empty() && arguments.rules.empty())
        return refuse(fmt::format("--trace without --rules; {}", kUsage));
    return arguments;
}

// A bpffs and a network namespace that go with the process, and one processor, the last that it may use.
Status prepare_process() {
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("bpf", kernel::kBpffs, "bpf", 0, nullptr) != 0)
        return fail(fmt::format("the benchmark needs root: {}", strerror(errno)), Exit::kNoPrivilege);
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return fail(fmt::format("cannot choose a processor: {}", strerror(errno)));
    int last = CPU_SETSIZE - 1;
    while (last > 0 && !CPU_ISSET(last, &allowed)) --last;
    CPU_ZERO(&allowed);
    CPU_SET(last, &allowed);
    if (sched_setaffinity(0, sizeof(allowed), &allowed) != 0)
        return fail(fmt::format("cannot stay on processor {}: {}", last, strerror(errno)));
    return {};
}

Effort effort_of(const Arguments& arguments) {
    if (!arguments.quick) return {};
    return {.turns = 100'000, .most_flows = 65536};
}

// The rows of the data plane that are asked for.
Result<std::vector<Scenario>> chosen(const Arguments& arguments) {
    std::vector<Scenario> rows;
    if (!arguments.rules.empty()) {
        auto own = ruleset(arguments.rules, arguments.trace);
        if (!own) return tl::unexpected(own.error());
        rows.push_back(std::move(*own));
    }
    for (Scenario& scenario : scenarios()) {
        const bool named = scenario.name.find(arguments.only) != std::string::npos;
        if (named && !arguments.rules_alone() && (scenario.quick || !arguments.quick))
            rows.push_back(std::move(scenario));
    }
    return rows;
}

Result<Laboratory> furnish(const Effort& effort) {
    auto subject = Subject::load(effort.loads);
    if (!subject) return tl::unexpected(subject.error());
    auto peers = Peers::load(effort.loads);
    if (!peers) return tl::unexpected(peers.error());
    auto driver = Driver::load();
    if (!driver) return tl::unexpected(driver.error());
    return Laboratory{std::move(*subject), std::move(*peers), std::move(*driver), effort,
                      Measurements(effort)};
}

Status measure_round(Laboratory& laboratory, std::optional<Balancer>& balancer, const Arguments& arguments,
                     const std::vector<Scenario>& rows, Report& report) {
    if (!arguments.rules_alone())
        if (auto measured = measure_bare(laboratory, arguments.only, report); !measured) return measured;
    for (const Scenario& scenario : rows)
        if (auto measured = measure_packets(laboratory, scenario, report); !measured) return measured;
    if (arguments.rules_alone()) return {};
    return measure_balance(laboratory, balancer, arguments.quick, arguments.only, report);
}

Status run(const Arguments& arguments) {
    const auto rows = chosen(arguments);
    if (!rows) return tl::unexpected(rows.error());
    auto laboratory = furnish(effort_of(arguments));
    if (!laboratory) return tl::unexpected(laboratory.error());

    Report report(arguments.json);
    if (auto writable = report.write(); !writable) return writable;
    std::optional<Balancer> balancer;
    const std::size_t rounds = laboratory->effort.rounds;
    fmt::print("{} rounds over all rows, whose figures come with the last one\n", rounds);
    for (; laboratory->round < rounds; ++laboratory->round)
        if (auto measured = measure_round(*laboratory, balancer, arguments, *rows, report); !measured)
            return measured;
    if (report.empty())
        return refuse(fmt::format("no row{} has \"{}\" in its name", arguments.quick ? " of --quick" : "",
                                  arguments.only));
    return report.write();
}

int main_of(int argc, char** argv) {
    const auto arguments = parse(argc, argv);
    Status done = arguments ? prepare_process() : tl::unexpected(arguments.error());
    kernel::show_library_log(false);
    if (done) done = run(*arguments);
    if (done) return 0;
    fmt::print(stderr, "bench: {}\n", done.error().message);
    return static_cast<int>(done.error().exit);
}

}  // namespace
}  // namespace fwctl::bench

int main(int argc, char** argv) {
    return fwctl::bench::main_of(argc, argv);
}
