#include "engine/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "fwctl/abi/state.h"
#include "net/xdp_features.h"
#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

using net::Interface;

const Interface* find(std::span<const Interface> interfaces, const std::string& name) {
    const auto found = std::find_if(interfaces.begin(), interfaces.end(),
                                    [&](const Interface& one) { return one.name == name; });
    return found == interfaces.end() ? nullptr : &*found;
}

tl::unexpected<Error> unknown(const std::string& what, const std::string& interface) {
    return fail(fmt::format("{}: there is no interface \"{}\"", what, interface));
}

void put_outputs(const std::vector<Interface>& interfaces, const compile::Outputs& outputs, __u32* numbers) {
    for (const std::string& name : outputs.names()) {
        ++numbers;
        if (const Interface* interface = find(interfaces, name))
            *numbers = static_cast<std::uint32_t>(interface->ifindex);
    }
}

std::uint8_t forwarding_of(policy::Forwarding forward) {
    switch (forward) {
        case policy::Forwarding::kStack:
            return FW_FORWARD_STACK;
        case policy::Forwarding::kTable:
            return FW_FORWARD_TABLE;
        case policy::Forwarding::kFib:
            break;
    }
    return FW_FORWARD_FIB;
}

}  // namespace

Status check_outputs(std::span<const policy::Rule> rules, std::span<const policy::Route> routes,
                     std::span<const Interface> interfaces) {
    for (const policy::Rule& rule : rules)
        if (rule.redirect && !rule.redirect->interface.empty() &&
            find(interfaces, rule.redirect->interface) == nullptr)
            return unknown(fmt::format("rule \"{}\"", rule.name), rule.redirect->interface);
    for (const policy::Route& route : routes)
        if (!route.next_hop.interface.empty() && find(interfaces, route.next_hop.interface) == nullptr)
            return unknown(fmt::format("the route to {}", policy::format_prefix(route.prefix)),
                           route.next_hop.interface);
    return {};
}

// What a port of a bridge or bond receives is not routed by the port.
void put_forwarding(const State& state, const compile::Outputs& front, fw_generation& generation) {
    generation.forward = forwarding_of(state.front.defaults.forward);
    put_outputs(state.interfaces, front, generation.outputs[FW_FRONT]);
    put_outputs(state.interfaces, state.main.outputs, generation.outputs[FW_MAIN]);
    for (const Attachment& attachment : state.attachments) {
        const Interface* interface = net::find_interface(state.interfaces, attachment.ifindex());
        if (interface == nullptr) continue;
        fw_attachment_policy& here = generation.attachments[attachment.slot];
        here.routed = interface->master == 0 ? 1 : 0;
        std::copy(interface->mac.begin(), interface->mac.end(), std::begin(here.mac));
    }
}

Status write_devices(const kernel::Map& devices, const State& state) {
    // Asked for now: drivers change their mind when an XDP program is attached.
    std::set<std::uint32_t> wanted;
    for (const int ifindex : net::redirect_targets()) wanted.insert(static_cast<std::uint32_t>(ifindex));
    for (const Attachment& attachment : state.attachments)
        if ((attachment.record.hooks & FW_HOOK_TC_OUT) != 0) wanted.erase(attachment.record.ifindex);
    for (const std::uint32_t ifindex : devices.keys<std::uint32_t>())
        if (!wanted.contains(ifindex)) (void)devices.erase(ifindex);
    for (const std::uint32_t ifindex : wanted)
        if (auto written = devices.update(ifindex, ifindex); !written)
            return context("the interfaces that XDP sends to", written.error());
    return {};
}

}  // namespace fwctl::engine
