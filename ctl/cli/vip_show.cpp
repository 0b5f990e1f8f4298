#include "cli/vip_show.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "cli/show.h"
#include "engine/service_view.h"
#include "policy/addresses.h"
#include "policy/prefix.h"
#include "policy/print.h"
#include "policy/quic.h"
#include "policy/schema.h"

namespace fwctl::cli {
namespace {

using engine::BackendView;
using engine::ServiceView;

std::vector<std::string> words_of(const policy::Vip& vip, std::string_view key) {
    return policy::find_key(policy::vip_keys(), key)->words(vip);
}

std::size_t ready_of(const ServiceView& view) {
    return static_cast<std::size_t>(
        std::count_if(view.backends.begin(), view.backends.end(), [](const BackendView& one) {
            return one.backend.state == policy::BackendState::kReady && one.backend.weight != 0;
        }));
}

std::size_t up_of(const ServiceView& view) {
    return static_cast<std::size_t>(
        std::count_if(view.backends.begin(), view.backends.end(), [](const BackendView& one) {
            return one.health == engine::BackendHealth::kUp || one.health == engine::BackendHealth::kStarting;
        }));
}

// "2/3 up", "0/3 up, panic".
std::string short_health(const ServiceView& view) {
    if (view.health == engine::ServiceHealth::kUnchecked) return "-";
    const std::string up = fmt::format("{}/{} up", up_of(view), view.backends.size());
    return view.health == engine::ServiceHealth::kNormal
               ? up
               : fmt::format("{}, {}", up, engine::health_name(view.health));
}

// Where it comes from: "policy.toml:12", "live", "policy.toml:12, live".
std::string origin_of(const ServiceView& view) {
    if (view.place.empty()) return "live";
    return view.live.empty() ? view.place : view.place + ", live";
}

double share_of(const BackendView& one, const ServiceView& view) {
    return view.ring == 0 ? 0 : static_cast<double>(one.slots) / view.ring;
}

Json count_json(const fw_backend_count& count) {
    return {{"packets", count.packets}, {"bytes", count.bytes}, {"flows", count.flows}};
}

Json placed_json(const engine::PlacedFlows& placed) {
    return {{"proven", placed.proven},
            {"new", placed.fresh},
            {"idle_seconds", placed.idle ? Json(placed.idle->count()) : Json(nullptr)}};
}

std::vector<std::string> server_ids_of(const policy::Backend& backend) {
    return policy::find_key(policy::backend_keys(), "server_id")->words(backend);
}

// null: flows alone count.
Json quic_json(const policy::Vip& vip) {
    if (!policy::asks_for_quic(vip)) return nullptr;
    return {{"config", vip.quic.configs}, {"server_id_length", vip.quic.server_id_length}};
}

Json backend_json(const BackendView& one, const ServiceView& view) {
    Json entry{{"name", one.backend.name},
               {"address", policy::prefix_words(one.backend.addresses)},
               {"state", policy::state_name(one.backend.state)},
               {"port", one.backend.port == 0 ? Json(nullptr) : Json(one.backend.port)},
               {"weight", one.backend.weight},
               {"fallback", one.backend.fallback},
               {"server_id", server_ids_of(one.backend)},
               {"health", engine::health_name(one.health)},
               {"share", share_of(one, view)}};
    entry.update(count_json(one.count));
    entry["placed"] = placed_json(one.placed);
    entry["live"] = one.live;
    return entry;
}

Json service_json(const ServiceView& view) {
    Json entry{{"name", view.vip.name},
               {"origin", view.place.empty() ? "live" : "policy"},
               {"live", policy::texts_of(view.live)},
               {"enabled", view.vip.enabled},
               {"address", words_of(view.vip, "address")},
               {"service", words_of(view.vip, "service")},
               {"forward", policy::transport_name(view.vip.forward)},
               {"announce", view.vip.announce.empty() ? Json(nullptr) : Json(view.vip.announce)},
               {"by_source", view.vip.by_source},
               {"ring", view.ring},
               {"transition_seconds_left", view.transition_left.count()},
               {"ready", ready_of(view)},
               {"health", engine::health_name(view.health)}};
    if (!view.place.empty()) entry["place"] = view.place;
    if (view.vip.by_source) entry["affinity"] = words_of(view.vip, "affinity").front();
    entry["quic"] = quic_json(view.vip);
    entry["unanswered"] = Json::array();
    for (const engine::Absence& one : view.unanswered)
        entry["unanswered"].push_back({{"address", one.address}, {"why", one.why}});
    entry.update(count_json(view.count));
    entry["backends"] = Json::array();
    for (const BackendView& one : view.backends) entry["backends"].push_back(backend_json(one, view));
    return entry;
}

// What makes a kernel that does not run fwctl unpack what it is sent.
std::string tunnels_of(const policy::Vip& vip) {
    const std::string port = std::to_string(vip.gue_port);
    return vip.forward == policy::Transport::kIpip
               ? "ip link set tunl0 up (IPv4 in IPv4; sit0 for IPv6 in it, ip6tnl0 for what is in IPv6)"
               : fmt::format(
                     "ip fou add port {} gue, and ip link set tunl0 up (ip -6 fou add port {} gue and "
                     "ip6tnl0 for IPv6)",
                     port, port);
}

bool is_block(const policy::Prefix& prefix) {
    return prefix.length < policy::address_bits(prefix.family);
}

// What the service asks of each backend, a line each.
std::vector<std::string> duties_of(const policy::Vip& vip) {
    if (vip.forward == policy::Transport::kNat)
        return {"a route to clients by this host, whose interface to it is attached, too"};
    if (vip.forward == policy::Transport::kFullNat)
        return {"a route to this host's address, by an interface that is attached, too"};
    std::vector<std::string> duties;
    for (const policy::Prefix& address : vip.addresses)
        duties.push_back(fmt::format("ip {} {} dev lo", is_block(address) ? "route add local" : "address add",
                                     policy::format_prefix(address)));
    if (vip.forward == policy::Transport::kL2Dsr) {
        duties.emplace_back("sysctl net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
        return duties;
    }
    duties.emplace_back("fwctl there with [decapsulate] from = this host's address, or the kernel's tunnel:");
    duties.push_back("  " + tunnels_of(vip));
    duties.emplace_back("  sysctl net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0");
    return duties;
}

std::string state_of(const policy::Backend& backend) {
    const std::string state(policy::state_name(backend.state));
    return backend.fallback ? state + ", fallback" : state;
}

std::string ends_of(const policy::Backend& backend) {
    std::string ends = join(policy::prefix_words(backend.addresses), ", ");
    return backend.port == 0 ? ends : fmt::format("{} port {}", ends, backend.port);
}

void print_backends(const ServiceView& view, const Globals& globals) {
    Table table({{"BACKEND"},
                 {"ADDRESS"},
                 {"STATE"},
                 {"HEALTH"},
                 {"WEIGHT", true},
                 {"SHARE", true},
                 {"PACKETS", true},
                 {"BYTES", true},
                 {"FLOWS", true},
                 {"PLACED", true},
                 {"LIVE"}});
    for (const BackendView& one : view.backends)
        table.add({one.backend.name, ends_of(one.backend), state_of(one.backend),
                   std::string(engine::health_name(one.health)), std::to_string(one.backend.weight),
                   fmt::format("{:.1f} %", 100 * share_of(one, view)), with_commas(one.count.packets),
                   with_commas(one.count.bytes), with_commas(one.count.flows), with_commas(one.placed.all()),
                   one.live.empty() ? "-" : join(one.live, ", ")});
    table.print(globals);
}

std::string health_text(const ServiceView& view) {
    switch (view.health) {
        case engine::ServiceHealth::kPanic:
            return fmt::format("panic: less than {} % of its weight is up, so that all backends count as up",
                               view.vip.panic);
        case engine::ServiceHealth::kFallback:
            return "all backends are down; the fallback backends take their place";
        case engine::ServiceHealth::kNone:
            return "all backends are down; its packets are dropped";
        case engine::ServiceHealth::kNormal:
        case engine::ServiceHealth::kUnchecked:
            break;
    }
    return fmt::format("{} of {} backends are up", up_of(view), view.backends.size());
}

// "QUIC by connection id: configuration 0, 1; server ids web1 0a01, web2 0a02, 0b02".
void print_quic(const ServiceView& view) {
    std::vector<std::string> ids;
    for (const BackendView& one : view.backends)
        if (const auto its = server_ids_of(one.backend); !its.empty())
            ids.push_back(fmt::format("{} {}", one.backend.name, join(its, ", ")));
    fmt::print("  QUIC by connection id: configuration {}; server ids {}\n",
               fmt::join(view.vip.quic.configs, ", "), ids.empty() ? "none" : join(ids, ", "));
}

void print_service(const ServiceView& view, const Globals& globals) {
    const std::string affinity = view.vip.by_source ? words_of(view.vip, "affinity").front() : "flow";
    fmt::print("{}\n  {}\n  {}\n", view.vip.name, policy::describe(view.vip), origin_of(view));
    for (const std::string& text : policy::texts_of(view.live)) fmt::print("  live: {}\n", text);
    if (view.vip.announce.empty())
        fmt::print(
            "  not announced: its packets are to be routed here, or its addresses put on a device by "
            "others\n");
    for (const engine::Absence& one : view.unanswered)
        fmt::print("  {} is not on {}: {}\n", one.address, one.device, one.why);
    fmt::print("  affinity {}, a ring of {} slots, {}\n", affinity, view.ring,
               view.transition_left.count() == 0
                   ? "not in transition"
                   : fmt::format("in transition for another {}", format_duration(view.transition_left)));
    if (policy::asks_for_quic(view.vip)) print_quic(view);
    fmt::print("  {} packets, {} bytes, {} flows\n", with_commas(view.count.packets),
               with_commas(view.count.bytes), with_commas(view.count.flows));
    if (view.health != engine::ServiceHealth::kUnchecked) fmt::print("  {}\n", health_text(view));
    print_backends(view, globals);
    fmt::print("each backend needs\n");
    for (const std::string& duty : duties_of(view.vip)) fmt::print("  {}\n", duty);
}

}  // namespace

Result<Exit> list_vips(const Globals& globals) {
    auto list = engine::list_services();
    if (!list) return tl::unexpected(list.error());
    if (globals.json) {
        Json all = Json::array();
        for (const ServiceView& view : list->services) all.push_back(service_json(view));
        print_json({{"vips", all}, {"removed_live", list->removed}});
        return Exit::kDone;
    }
    Table table({{"NAME"},
                 {"ORIGIN"},
                 {"ADDRESS"},
                 {"SERVICE"},
                 {"FORWARD"},
                 {"READY", true},
                 {"HEALTH"},
                 {"PACKETS", true},
                 {"BYTES", true},
                 {"FLOWS", true}});
    for (const ServiceView& view : list->services)
        table.add({view.vip.name, origin_of(view), join(words_of(view.vip, "address"), ", "),
                   join(words_of(view.vip, "service"), ", "),
                   std::string(policy::transport_name(view.vip.forward)),
                   view.vip.enabled ? fmt::format("{}/{}", ready_of(view), view.backends.size()) : "disabled",
                   short_health(view), with_commas(view.count.packets), with_commas(view.count.bytes),
                   with_commas(view.count.flows)});
    table.print(globals);
    if (!list->removed.empty())
        print_note("removed live, though the policy has them: " + join(list->removed, ", "), globals);
    return Exit::kDone;
}

Result<Exit> show_vip(const std::string& name, const Globals& globals) {
    auto view = engine::show_service(name);
    if (!view) return tl::unexpected(view.error());
    if (globals.json) {
        Json entry = service_json(*view);
        entry["backends_need"] = duties_of(view->vip);
        print_json(entry);
    } else {
        print_service(*view, globals);
    }
    return Exit::kDone;
}

Result<Exit> list_placed(const std::string& vip, const Globals& globals) {
    auto view = engine::show_service(vip);
    if (!view) return tl::unexpected(view.error());
    if (globals.json) {
        Json all = Json::array();
        for (const BackendView& one : view->backends) {
            Json entry{{"backend", one.backend.name}};
            entry.update(placed_json(one.placed));
            all.push_back(std::move(entry));
        }
        print_json({{"vip", vip}, {"placed", all}});
        return Exit::kDone;
    }
    Table table({{"BACKEND"}, {"PROVEN", true}, {"NEW", true}, {"IDLE", true}});
    for (const BackendView& one : view->backends)
        table.add({one.backend.name, with_commas(one.placed.proven), with_commas(one.placed.fresh),
                   one.placed.idle ? format_duration(*one.placed.idle) : "-"});
    table.print(globals);
    return Exit::kDone;
}

}  // namespace fwctl::cli
