#include "ruleset.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "base/file.h"
#include "engine/clock.h"
#include "generate/classbench.h"
#include "generate/policy.h"

namespace fwctl::bench {

using generate::TracePacket;
using policy::Policy;

namespace {

generate::Address address_of(std::uint32_t number) {
    generate::Address address{};
    for (std::size_t i = 0; i < 4; ++i) address[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    return address;
}

Flow flow_of(const TracePacket& packet) {
    Flow flow;
    flow.source = address_of(packet.source);
    flow.destination = address_of(packet.destination);
    flow.protocol = packet.protocol;
    flow.source_port = packet.source_port;
    flow.selector = packet.port;
    if (packet.protocol == IPPROTO_ICMP)
        flow.selector = static_cast<std::uint16_t>(packet.flags.value_or(0) << 8);
    if (packet.protocol == IPPROTO_TCP) flow.tcp_flags = packet.flags.value_or(kSyn);
    return flow;
}

Result<Source> source_of(const std::string& path) {
    auto text = read_file(path);
    if (!text) return tl::unexpected(text.error());
    return Source{path, std::move(*text)};
}

Result<Policy> read_rules(const std::string& path) {
    const auto source = source_of(path);
    if (!source) return tl::unexpected(source.error());
    auto policy = generate::read_classbench(*source);
    if (!policy) return policy;
    if (policy->rules.empty()) return refuse(path + ": no rules");
    for (std::size_t i = 1; i < policy->rules.size(); i += 2)
        policy->rules[i].action = policy::Action::kAllow;
    return policy;
}

Result<std::vector<Flow>> read_flows(const std::string& path) {
    const auto source = source_of(path);
    if (!source) return tl::unexpected(source.error());
    const auto trace = generate::read_trace(*source);
    if (!trace) return tl::unexpected(trace.error());
    if (trace->empty()) return refuse(path + ": no packets");
    std::vector<Flow> flows;
    std::transform(trace->begin(), trace->end(), std::back_inserter(flows), flow_of);
    return flows;
}

Maker again_and_again(std::vector<Flow> flows) {
    return [flows = std::move(flows), next = std::size_t{0}](generate::Random&) mutable {
        return flows[next++ % flows.size()];
    };
}

}  // namespace

Result<Scenario> ruleset(const std::string& rules_file, const std::string& trace_file) {
    auto policy = read_rules(rules_file);
    if (!policy) return tl::unexpected(policy.error());
    auto flows = trace_file.empty() ? std::vector<Flow>{} : read_flows(trace_file);
    if (!flows) return tl::unexpected(flows.error());
    Scenario scenario;
    scenario.name = fmt::format("{} rules of {}", policy->rules.size(),
                                std::filesystem::path(rules_file).filename().string());
    scenario.make = [policy = std::move(*policy), flows = std::move(*flows)] {
        auto world = std::make_unique<World>();
        world->policy = policy;
        world->context = generate::generate_context(world->policy, 1, engine::monotonic_now());
        if (flows.empty()) {
            world->flows = aimed(world->policy, world->context, policy::Family::kIpv4);
        } else {
            world->flows = again_and_again(flows);
            world->packets = flows.size();
        }
        return world;
    };
    return scenario;
}

}  // namespace fwctl::bench
