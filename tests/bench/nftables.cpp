#include "nftables.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "policy/prefix.h"

namespace fwctl::bench::nftables {

using policy::Addresses;
using policy::Family;
using policy::Prefix;
using policy::Rule;
using policy::Service;

namespace {

constexpr const char* kNft = "/usr/sbin/nft";

void print_addresses(std::ostream& file, const Addresses& addresses, const char* side) {
    for (const std::string& set : addresses.sets) file << "ip " << side << " @" << set << ' ';
    for (const Prefix& prefix : addresses.prefixes)
        file << (prefix.family == Family::kIpv4 ? "ip " : "ip6 ") << side << ' '
             << policy::format_prefix(prefix) << ' ';
}

void print_service(std::ostream& file, const Service& service) {
    if (service.kind == Service::Kind::kAny) return;
    file << "meta l4proto " << static_cast<int>(service.protocol) << ' ';
    if (!service.has_selector) return;
    if (service.family_bound) {
        file << (service.family == Family::kIpv4 ? "icmp" : "icmpv6") << " type "
             << service.selector.first / 256 << ' ';
        return;
    }
    file << "th dport " << service.selector.first << '-' << service.selector.last << ' ';
}

void print(std::ostream& file, const policy::Policy& policy) {
    file << "table inet bench {\n";
    for (const policy::Set& set : policy.sets) {
        file << "set " << set.name << " { type ipv4_addr; flags interval; elements = {";
        for (const Prefix& prefix : set.elements) file << policy::format_prefix(prefix) << ',';
        file << "}\n}\n";
    }
    file << "chain input { type filter hook input priority 0;\n";
    for (const Rule& rule : policy.rules) {
        print_addresses(file, rule.from, "saddr");
        print_addresses(file, rule.to, "daddr");
        print_service(file, rule.services.front());
        file << "counter " << (rule.action == policy::Action::kAllow ? "accept" : "drop") << '\n';
    }
    file << "}\n}\n";
}

}  // namespace

bool installed() {
    return access(kNft, X_OK) == 0;
}

Status load(const policy::Policy& policy, const std::string& name, Report& report) {
    const std::string path =
        std::filesystem::temp_directory_path() / fmt::format("fwctl-bench-{}.nft", getpid());
    std::ofstream file(path);
    print(file, policy);
    file.close();
    const auto began = std::chrono::steady_clock::now();
    const pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNET) == 0) execl(kNft, "nft", "-f", path.c_str(), nullptr);
        _exit(127);
    }
    int status = 0;
    rusage usage{};
    const bool done = child > 0 && wait4(child, &status, 0, &usage) == child;
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    std::filesystem::remove(path);
    if (!done) return fail(fmt::format("cannot run {}: {}", kNft, strerror(errno)));
    if (status != 0) {
        report.skip("nft -f " + name, "nft failed; its words are above");
        return {};
    }
    report.add(ControlRow{"nft -f: " + name, took.count(), "ms", {}});
    report.add(ControlRow{"nft -f: " + name + ": memory of the command",
                          static_cast<double>(usage.ru_maxrss) / 1024,
                          "MB",
                          {}});
    return {};
}

}  // namespace fwctl::bench::nftables
