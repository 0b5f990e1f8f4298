// fwctl_bench_content: what the measurements of the control plane load, in lines that scripts can read, so
// that fwctl and its peers get the same. The same arguments give the same lines.
//
//   fwctl_bench_content acl|firewall COUNT    rules of five-tuples in their order, a line each:
//
//       allow|deny SOURCE DESTINATION PROTOCOL SOURCE-PORTS DESTINATION-PORTS TYPE
//
//     "-" is any; PROTOCOL is a number, or icmp or icmp6, which are of one family and may have a TYPE;
//     ports are "FIRST-LAST", or one.
//
//   fwctl_bench_content v4|v6 COUNT           blocks with the shape of a blocklist, a line each, sorted. No
//                                             two of them overlap, as not every peer takes that.
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "generate/policy.h"
#include "generate/prefixes.h"
#include "policy/prefix.h"
#include "policy/prefix_list.h"
#include "policy/service.h"

namespace fwctl::bench {
namespace {

using policy::Family;

constexpr std::uint64_t kSeed = 1;

std::string text(const policy::Addresses& addresses) {
    return addresses.prefixes.empty() ? "-" : policy::format_prefix(addresses.prefixes.front());
}

std::string text(std::uint64_t first, std::uint64_t last) {
    return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

std::string protocol(const policy::Service& service) {
    if (service.kind == policy::Service::Kind::kAny) return "-";
    if (!service.family_bound) return std::to_string(service.protocol);
    return service.family == Family::kIpv4 ? "icmp" : "icmp6";
}

// Of ICMP the whole type: not every peer can say a range of codes or types.
void print(const policy::Rule& rule) {
    const policy::Service& service = rule.services.front();
    std::string source_ports = "-", ports = "-", type = "-";
    if (!rule.fields.empty())  // of five-tuples it is the source port alone
        source_ports =
            text(rule.fields.front().any_of.front().first, rule.fields.front().any_of.front().last);
    if (service.has_selector && service.family_bound) type = std::to_string(service.selector.first / 256);
    if (service.has_selector && !service.family_bound)
        ports = text(service.selector.first, service.selector.last);
    fmt::print("{} {} {} {} {} {} {}\n", rule.action == policy::Action::kAllow ? "allow" : "deny",
               text(rule.from), text(rule.to), protocol(service), source_ports, ports, type);
}

void print_rules(generate::Mix mix, std::size_t count) {
    const auto policy = generate::generate_policy(mix, count, kSeed, generate::Detail::kFiveTuple);
    for (const policy::Rule& rule : policy.rules) print(rule);
}

// Those within no other one. The widest are left out, as those of some million would cover most of IPv4; so
// are the blocks of documentation, which are for what is put in live.
std::vector<policy::Prefix> apart(Family family, std::size_t drawn) {
    constexpr std::uint8_t kWidest = 22;
    const auto spared =
        policy::parse_prefix(family == Family::kIpv4 ? "203.0.113.0/24" : "2001:db8::/32").value();
    auto prefixes = generate::generate_prefixes(generate::PrefixKind::kFeed, family, drawn, kSeed);
    std::erase_if(prefixes, [](const policy::Prefix& prefix) { return prefix.length < kWidest; });
    policy::reduce(prefixes);
    std::erase_if(prefixes, [&](const policy::Prefix& prefix) {
        return policy::covers(spared, prefix) || policy::covers(prefix, spared);
    });
    return prefixes;
}

// More are drawn than are printed, as some are within others; of what is left, evenly.
void print_prefixes(Family family, std::size_t count) {
    std::vector<policy::Prefix> prefixes;
    for (std::size_t drawn = 2 * count; prefixes.size() < count; drawn *= 2) prefixes = apart(family, drawn);
    for (std::size_t i = 0; i < count; ++i)
        fmt::print("{}\n", policy::format_prefix(prefixes[i * prefixes.size() / count]));
}

int main_of(std::string_view kind, std::size_t count) {
    if (kind == "acl")
        print_rules(generate::Mix::kAcl, count);
    else if (kind == "firewall")
        print_rules(generate::Mix::kFirewall, count);
    else if (kind == "v4" || kind == "v6")
        print_prefixes(kind == "v4" ? Family::kIpv4 : Family::kIpv6, count);
    else
        return 2;
    return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fwctl::bench

int main(int argc, char** argv) {
    return argc == 3 ? fwctl::bench::main_of(argv[1], std::strtoul(argv[2], nullptr, 10)) : 2;
}
