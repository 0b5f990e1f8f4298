#include "engine/guard.h"

#include <fmt/format.h>

#include <utility>

#include "engine/frame.h"
#include "engine/hooks.h"
#include "net/route.h"
#include "policy/prefix.h"
#include "policy/service.h"

namespace fwctl::engine {
namespace {

constexpr std::uint8_t kTcpAck = 0x10;

// A packet in the middle of the connection: from the peer, or the answer to it.
policy::PacketView packet_of(const SshSession& session, fw_direction direction) {
    const bool answers = direction == FW_OUT;
    policy::PacketView packet;
    packet.family = session.peer.family;
    packet.ethertype = *packet.family == policy::Family::kIpv4 ? 0x0800 : 0x86dd;
    packet.source = answers ? session.local.address : session.peer.address;
    packet.destination = answers ? session.peer.address : session.local.address;
    packet.protocol = policy::kProtocolTcp;
    packet.has_l4 = true;
    packet.source_port = answers ? session.local_port : session.peer_port;
    packet.selector = answers ? session.peer_port : session.local_port;
    packet.tcp_flags = kTcpAck;
    packet.ttl = 64;
    packet.length = policy::shortest_length(packet);
    packet.direction = answers ? policy::Direction::kOut : policy::Direction::kIn;
    return packet;
}

std::string cutter_of(const Judgement& judgement) {
    if (judgement.rule == nullptr)
        return fmt::format("{} ({})", judgement.reason->name, judgement.reason->text);
    const std::string place =
        judgement.rule->place.empty() ? "" : fmt::format(" ({})", judgement.rule->place);
    return fmt::format("rule \"{}\"{}", judgement.rule->rule.name, place);
}

bool is_at_or_below(const std::vector<net::Interface>& all, int ifindex, int top) {
    // No more masters than interfaces: a bound, were they ever in a ring.
    for (std::size_t i = 0; i <= all.size() && ifindex != 0; ++i) {
        if (ifindex == top) return true;
        const net::Interface* interface = net::find_interface(all, ifindex);
        ifindex = interface == nullptr ? 0 : interface->master;
    }
    return false;
}

}  // namespace

std::vector<const Attachment*> attachments_of_session(const State& state,
                                                      const std::vector<net::Interface>& interfaces,
                                                      int route, const std::string& local) {
    const net::Interface* owner = net::find_interface(interfaces, local);
    const int top = route != 0 ? route : owner == nullptr ? 0 : owner->ifindex;
    std::vector<const Attachment*> found;
    for (const Attachment& attachment : state.attachments)
        if (attachment.enabled && top != 0 && is_at_or_below(interfaces, attachment.ifindex(), top))
            found.push_back(&attachment);
    return found;
}

Status check_session(Explainer& explainer, const SshSession& session,
                     const std::vector<const Attachment*>& attachments) {
    for (const Attachment* attachment : attachments) {
        for (const fw_direction direction : {FW_IN, FW_OUT}) {
            if (hook_for(*attachment, direction) == 0) continue;
            const auto frame =
                make_frame(packet_of(session, direction), static_cast<fw_link>(attachment->record.link));
            auto judgement = explainer.judge(*attachment, direction, frame);
            if (!judgement) return context("asking whether the SSH session stays", judgement.error());
            if (judgement->verdict == "allow") continue;
            return fail(
                fmt::format("this would cut the SSH session {}: {} {} {} on {}; allow it, for example by a "
                            "lockout guard, or add --force",
                            describe(session), cutter_of(*judgement),
                            judgement->verdict == "redirect" ? "redirects" : "drops",
                            direction == FW_IN ? "what comes in" : "the answers", attachment->name()),
                Exit::kConflict);
        }
    }
    return {};
}

Status check_sessions(const Store& store, const State& candidate, std::uint32_t half,
                      const policy::Policy& main) {
    const std::vector<SshSession> sessions = find_ssh_sessions();
    if (sessions.empty()) return {};
    auto interfaces = net::list_interfaces();
    if (!interfaces) return tl::unexpected(interfaces.error());
    auto explainer = Explainer::of_half(store, candidate, half, main);
    if (!explainer) return tl::unexpected(explainer.error());
    for (const SshSession& session : sessions) {
        const int route = net::route_to(policy::format_prefix(session.peer)).ifindex;
        const std::string local = net::interface_with_address(policy::format_prefix(session.local));
        const auto attachments = attachments_of_session(explainer->state(), *interfaces, route, local);
        if (auto safe = check_session(*explainer, session, attachments); !safe) return safe;
    }
    return {};
}

}  // namespace fwctl::engine
