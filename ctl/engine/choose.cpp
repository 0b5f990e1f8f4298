#include "engine/choose.h"

#include <fmt/format.h>

#include "fwctl/abi/state.h"

namespace fwctl::engine {
namespace {

// Where packets come from a local sender as socket buffers of up to 64 KB, XDP takes them apart (native) or
// copies them (generic): TC ingress sees the same packets at a fraction of the cost (docs/attach.md has the
// figures).
bool better_by_tc(const net::Interface& interface) {
    return interface.kind == "veth" || interface.link == net::LinkLayer::kIp;
}

// Without a link header the packet has to begin at the IP header. It does on WireGuard, tun, ppp and modems,
// but xfrm shows a stale Ethernet header in front and GRE without a remote the outer IP header (both seen
// on 6.1).
bool begins_at_ip(const net::Interface& interface) {
    return interface.kind.empty() || interface.kind == "tun" || interface.kind == "wireguard" ||
           interface.kind == "ppp";
}

}  // namespace

Result<Choice> choose(const net::Interface& interface, const Wish& wish) {
    if (interface.link == net::LinkLayer::kUnknown)
        return fail(
            fmt::format("{} has link type {}, whose packets fwctl cannot read; it filters Ethernet and "
                        "devices without a link header (WireGuard, tun, ppp)",
                        interface.name, interface.link_type));
    if (wish.mode != WantedMode::kAuto && wish.hooks != 0 && (wish.hooks & FW_HOOK_XDP) == 0)
        return fail("--mode is about XDP, which --hook leaves out", Exit::kUsage);
    if (interface.link == net::LinkLayer::kIp && !begins_at_ip(interface))
        return fail(fmt::format(
            "{} is a {} device, whose packets fwctl cannot read; filter on the device that carries it",
            interface.name, interface.kind));

    Choice choice{wish.hooks, wish.mode};
    if (wish.is_peer) {
        // Once, as it enters the bridge: what goes on to the host is judged there again by the same rules.
        choice.hooks = FW_HOOK_TC_IN;
    } else if (wish.hooks == 0) {
        const bool by_tc = wish.mode == WantedMode::kAuto && better_by_tc(interface);
        choice.hooks = FW_HOOK_TC_OUT | (by_tc ? FW_HOOK_TC_IN : FW_HOOK_XDP);
        if (wish.rewrites) choice.hooks |= FW_HOOK_TC_IN;
    }
    return choice;
}

}  // namespace fwctl::engine
