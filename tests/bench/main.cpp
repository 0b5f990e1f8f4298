// fwctl_bench: what a packet costs, see scripts/bench.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "balance.h"
#include "kernel/bpffs.h"
#include "kernel/log.h"
#include "packets.h"

namespace fwctl::bench {
namespace {

struct Arguments {
    bool quick = false;
    std::string json;
    std::string only;  // rows with this in their names
};

Result<Arguments> parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const bool has_value = i + 1 < argc;
        if (word == "--quick")
            arguments.quick = true;
        else if (word == "--json" && has_value)
            arguments.json = argv[++i];
        else if (word == "--only" && has_value)
            arguments.only = argv[++i];
        else
            return fail(fmt::format("unknown argument {}; usage: [--quick] [--only ROW] [--json FILE]", word),
                        Exit::kUsage);
    }
    return arguments;
}

// A bpffs that goes with the process, and one processor, the last that it may use.
Status prepare_process() {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
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
    return {.loads = 5, .rounds = 3, .turns = 300'000, .most_flows = 65536};
}

Status run(const Arguments& arguments) {
    const Effort effort = effort_of(arguments);
    auto subject = Subject::load(effort.loads);
    if (!subject) return tl::unexpected(subject.error());
    auto peers = Peers::load(effort.loads);
    if (!peers) return tl::unexpected(peers.error());
    auto driver = Driver::load();
    if (!driver) return tl::unexpected(driver.error());
    Laboratory laboratory{std::move(*subject), std::move(*peers), std::move(*driver), effort};

    Report report;
    bool begun = false;
    for (const Scenario& scenario : scenarios()) {
        if (arguments.quick && !scenario.quick) continue;
        if (scenario.name.find(arguments.only) == std::string::npos) continue;
        if (!std::exchange(begun, true)) report.packets_begin();
        if (auto measured = measure_packets(laboratory, scenario, report); !measured) return measured;
    }
    if (auto measured = measure_balance(laboratory, arguments.quick, arguments.only, report); !measured)
        return measured;
    return arguments.json.empty() ? Status{} : report.write_json(arguments.json);
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
