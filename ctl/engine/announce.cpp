#include "engine/announce.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "net/announce.h"
#include "net/interface.h"
#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

using net::HeldAddress;
using net::LocalAddress;

// RFC 4861, section 10: MAX_NEIGHBOR_ADVERTISEMENT and RETRANS_TIMER, which RFC 5227 nearly has for ARP.
constexpr int kTellings = 3;
constexpr std::chrono::seconds kBetweenTellings{1};

bool is_held(const LocalAddress& address, const std::vector<HeldAddress>& held) {
    return std::any_of(held.begin(), held.end(),
                       [&](const HeldAddress& one) { return one.address == address; });
}

// Of those that are ours, still.
void tell_once(const std::vector<LocalAddress>& addresses) {
    const auto interfaces = net::list_interfaces();
    const auto held = net::list_addresses();
    if (!interfaces || !held) return;
    for (const HeldAddress& one : *held) {
        const net::Interface* interface = net::find_interface(*interfaces, one.address.ifindex);
        if (one.ours && interface != nullptr && interface->running &&
            std::find(addresses.begin(), addresses.end(), one.address) != addresses.end())
            net::announce(*interface, one.address);
    }
}

// The last ones by a process of its own, which holds nothing of this one: neither the lock nor the terminal.
void tell(const std::vector<LocalAddress>& addresses) {
    if (addresses.empty()) return;
    tell_once(addresses);
    const pid_t child = fork();
    if (child > 0) waitpid(child, nullptr, 0);
    if (child != 0) return;  // without one, once has to do
    if (fork() != 0) _exit(0);
    setsid();
    close_range(0, ~0U, 0);
    for (int i = 1; i < kTellings; ++i) {
        std::this_thread::sleep_for(kBetweenTellings);
        tell_once(addresses);
    }
    _exit(0);
}

// Why the addresses of the service cannot be where they are wanted; empty: they can.
std::string hindrance(const Announced& wanted, const std::vector<net::Interface>& interfaces) {
    const net::Interface* device = net::find_interface(interfaces, wanted.device);
    if (device == nullptr) return "there is no such interface";
    if (device->link != net::LinkLayer::kEthernet || device->loopback)
        return "it is no Ethernet device, so that nobody there asks for addresses";
    if (wanted.address.ipv6 && !net::takes_ipv6(wanted.device))
        return fmt::format("IPv6 is switched off there (net.ipv6.conf.{}.disable_ipv6)", wanted.device);
    return {};
}

// Without those that cannot be, of which the user is told elsewhere: they keep no command from being done.
std::vector<Announced> possible_of(const State& state) {
    std::vector<Announced> possible = announced_by(state);
    std::erase_if(possible, [&](const Announced& one) { return !hindrance(one, state.interfaces).empty(); });
    return possible;
}

}  // namespace

std::vector<Announced> announced_by(const State& state) {
    std::vector<Announced> all;
    const bool attached = std::any_of(state.attachments.begin(), state.attachments.end(),
                                      [](const Attachment& attachment) { return attachment.enabled; });
    for (const policy::Vip& vip : state.front.vips) {
        if (!attached || !vip.enabled || vip.announce.empty()) continue;
        const net::Interface* device = net::find_interface(state.interfaces, vip.announce);
        for (const policy::Prefix& prefix : vip.addresses)
            all.push_back({vip.name,
                           vip.announce,
                           {device == nullptr ? 0 : device->ifindex, prefix.family == policy::Family::kIpv6,
                            prefix.address}});
    }
    return all;
}

AddressChanges changes_to(const std::vector<Announced>& wanted, const std::vector<HeldAddress>& held) {
    std::set<LocalAddress> addresses;
    for (const Announced& one : wanted) addresses.insert(one.address);
    AddressChanges changes;
    for (const HeldAddress& one : held)
        if (one.ours && !addresses.contains(one.address)) changes.give_up.push_back(one.address);
    for (const LocalAddress& address : addresses)
        if (!is_held(address, held)) changes.take.push_back(address);
    return changes;
}

Result<AddressChanges> due_changes(const State& state) {
    auto held = net::list_addresses();
    if (!held) return tl::unexpected(held.error());
    return changes_to(possible_of(state), *held);
}

Status check_announced(const State& before, const State& after) {
    const std::vector<Announced> known = announced_by(before);
    for (const Announced& wanted : announced_by(after)) {
        const bool is_known = std::any_of(known.begin(), known.end(), [&](const Announced& one) {
            return one.device == wanted.device && one.address == wanted.address;
        });
        const std::string why = is_known ? "" : hindrance(wanted, after.interfaces);
        if (why.empty()) continue;
        return fail(fmt::format("vip \"{}\" cannot announce {} on {}: {}", wanted.vip, wanted.address.text(),
                                wanted.device, why));
    }
    return {};
}

Status announce(const State& state, const State* besides) {
    std::vector<Announced> wanted = possible_of(state);
    if (besides != nullptr)
        for (Announced& one : possible_of(*besides)) wanted.push_back(std::move(one));
    auto held = net::list_addresses();
    if (!held) return tl::unexpected(held.error());
    const AddressChanges changes = changes_to(wanted, *held);
    Status done;
    const auto note = [&done](Status status) {
        if (done) done = std::move(status);
    };
    std::vector<LocalAddress> taken;
    for (const LocalAddress& address : changes.take) {
        Status added = net::add_address(address);
        if (added) taken.push_back(address);
        note(std::move(added));
    }
    for (const LocalAddress& address : changes.give_up) note(net::remove_address(address));
    tell(taken);
    return done;
}

Status announce_again(const std::set<int>& interfaces) {
    if (interfaces.empty()) return {};
    auto held = net::list_addresses();
    if (!held) return tl::unexpected(held.error());
    std::vector<LocalAddress> here;
    for (const HeldAddress& one : *held)
        if (one.ours && interfaces.contains(one.address.ifindex)) here.push_back(one.address);
    tell(here);
    return {};
}

Result<std::vector<Absence>> unanswered(const State& state) {
    auto held = net::list_addresses();
    if (!held) return tl::unexpected(held.error());
    std::vector<Absence> absences;
    for (const Announced& wanted : announced_by(state)) {
        if (is_held(wanted.address, *held)) continue;
        std::string why = hindrance(wanted, state.interfaces);
        if (why.empty())
            why = "it was taken away; the agent puts it back, or the next command that changes something";
        absences.push_back({wanted.vip, wanted.device, wanted.address.text(), std::move(why)});
    }
    return absences;
}

}  // namespace fwctl::engine
