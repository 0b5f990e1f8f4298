#include "control.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "generate/policy.h"
#include "nftables.h"
#include "policy/rule.h"
#include "policy/service.h"
#include "scenario.h"

namespace fwctl::bench {

using generate::Detail;
using generate::Mix;
using policy::Policy;

namespace {

constexpr double kMegabyte = 1 << 20;
constexpr std::uint64_t kSeed = 1;

class Stopwatch {
public:
    [[nodiscard]] double milliseconds() const {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began_).count();
    }

private:
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// Megabytes of this process: "VmRSS" now, "VmHWM" at most since the last reset.
double memory(const std::string& field) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(field + ":")) return std::stod(line.substr(field.size() + 1)) / 1024;
    return 0;
}

// How much the process grows at most while this lives.
class Growth {
public:
    Growth() {
        malloc_trim(0);
        std::ofstream("/proc/self/clear_refs") << "5";
        began_ = memory("VmRSS");
    }
    [[nodiscard]] double megabytes() const { return memory("VmHWM") - began_; }

private:
    double began_ = 0;
};

struct Task {
    std::string name;
    Policy policy;
    std::optional<double> milliseconds;  // to compile and publish
    std::optional<double> megabytes;     // in the kernel
};

Task rules_task(Mix mix, std::size_t count, Detail detail, std::optional<double> milliseconds) {
    const std::string name =
        fmt::format("{} {} rules{}", short_number(count), mix == Mix::kAcl ? "ACL-like" : "firewall-like",
                    detail == Detail::kFull ? ", all fields" : "");
    return {name, generate::generate_policy(mix, count, kSeed, detail), milliseconds, std::nullopt};
}

Task list_task(policy::Family family, std::size_t count, std::optional<double> milliseconds,
               std::optional<double> megabytes) {
    const char* version = family == policy::Family::kIpv4 ? "v4" : "v6";
    return {fmt::format("{} {} prefixes", short_number(count), version), blocklist(family, count),
            milliseconds, megabytes};
}

Status load(Subject& subject, const Task& task, Report& report) {
    std::vector<std::uint32_t> counters;
    const Growth growth;
    const Stopwatch compiling;
    auto image = Subject::compile(task.policy, counters);
    if (!image) return context(task.name, image.error());
    const double compiled = compiling.milliseconds();
    const Stopwatch publishing;
    if (auto published = subject.publish(task.policy, &*image, counters, {}); !published)
        return context(task.name, published.error());
    const double published = publishing.milliseconds();
    report.add(ControlRow{task.name + ": compile", compiled, "ms", {}});
    report.add(ControlRow{task.name + ": publish", published, "ms", {}});
    report.add(ControlRow{task.name + ": both", compiled + published, "ms", task.milliseconds});
    report.add(ControlRow{task.name + ": memory of the command", growth.megabytes(), "MB", {}});
    report.add(ControlRow{task.name + ": memory in the kernel",
                          static_cast<double>(subject.kernel_bytes()) / kMegabyte, "MB", task.megabytes});
    return {};
}

// With what was loaded last; the least of a few.
Status edit(Subject& subject, const std::string& beside, Report& report) {
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
        policy::Rule rule;
        rule.name = fmt::format("live {}", i);
        rule.services.push_back(policy::parse_service(fmt::format("tcp/{}", 1000 + i)).value());
        const Stopwatch watch;
        if (auto edited = subject.edit(policy::canonical(rule)); !edited) return edited;
        best = std::min(best, watch.milliseconds());
    }
    report.add(ControlRow{"one live rule beside " + beside, best, "ms", 20});
    return {};
}

}  // namespace

Status measure_control(Subject& subject, bool quick, Report& report) {
    using policy::Family;
    std::vector<std::function<Task()>> tasks = {
        [] { return list_task(Family::kIpv4, 100'000, {}, {}); },
        [] { return rules_task(Mix::kAcl, 1'000, Detail::kFiveTuple, 60); },
        [] { return rules_task(Mix::kFirewall, 1'000, Detail::kFiveTuple, 60); },
        [] { return rules_task(Mix::kAcl, 10'000, Detail::kFiveTuple, 700); },
    };
    const std::vector<std::function<Task()>> long_ones = {
        [] { return list_task(Family::kIpv4, 1'000'000, 400, 20); },
        [] { return list_task(Family::kIpv6, 1'000'000, {}, {}); },
        [] { return rules_task(Mix::kFirewall, 10'000, Detail::kFiveTuple, 700); },
        [] { return rules_task(Mix::kAcl, 10'000, Detail::kFull, 700); },
        [] { return rules_task(Mix::kFirewall, 100'000, Detail::kFiveTuple, 5'000); },
        [] { return rules_task(Mix::kAcl, 100'000, Detail::kFull, 5'000); },
        [] { return rules_task(Mix::kAcl, 100'000, Detail::kFiveTuple, 5'000); },
    };
    if (!quick) tasks.insert(tasks.end(), long_ones.begin(), long_ones.end());
    std::string last;
    for (const auto& make : tasks) {
        const Task task = make();
        if (auto loaded = load(subject, task, report); !loaded) return loaded;
        last = task.name;
    }
    if (auto edited = edit(subject, last, report); !edited) return edited;

    if (!nftables::installed()) {
        report.skip("nft -f", "nft is not installed (apt-get install nftables)");
        return {};
    }
    for (const std::size_t count :
         quick ? std::vector<std::size_t>{1'000} : std::vector<std::size_t>{1'000, 10'000})
        if (auto done = nftables::load(rules_task(Mix::kAcl, count, Detail::kFiveTuple, {}).policy,
                                       short_number(count) + " ACL-like rules", report);
            !done)
            return done;
    const std::size_t prefixes = quick ? 100'000 : 1'000'000;
    return nftables::load(blocklist(Family::kIpv4, prefixes), short_number(prefixes) + " v4 prefixes",
                          report);
}

}  // namespace fwctl::bench
