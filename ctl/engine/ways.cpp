#include "engine/ways.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "net/interface.h"
#include "net/route.h"
#include "policy/prefix.h"

namespace fwctl::engine {
namespace {

bool is_same(const compile::WayOut& one, const compile::WayOut& other) {
    return one.ifindex == other.ifindex && one.source == other.source;
}

// Who looks without a lock may have numbers of one generation and services of another: then some are left
// out.
Result<std::vector<Way>> held_ways(const Store& store, const std::vector<policy::Vip>& vips) {
    auto running = store.running_services();
    if (!running) return tl::unexpected(running.error());
    auto records = store.backend_records();
    if (!records) return tl::unexpected(records.error());
    std::vector<Way> ways;
    for (const policy::Vip& vip : vips)
        for (const policy::Backend& backend : vip.backends) {
            const auto number = running->numbers.find_backend(vip.name, backend.name);
            if (!number || *number >= records->size()) continue;
            for (const policy::Prefix& address : backend.addresses)
                ways.push_back(
                    {vip.name, backend.name, address, way_of((*records)[*number], address.family)});
        }
    return ways;
}

bool has_outer_headers(const std::vector<policy::Vip>& vips, const std::string& name) {
    const auto vip =
        std::find_if(vips.begin(), vips.end(), [&](const policy::Vip& one) { return one.name == name; });
    return vip != vips.end() && vip->forward != policy::Transport::kL2Dsr;
}

}  // namespace

compile::WayOut route_to(const policy::Prefix& address) {
    const net::Route route = net::route_to(policy::format_prefix(address));
    return {static_cast<std::uint32_t>(route.ifindex), route.source};
}

compile::WayOut way_of(const fw_backend& record, policy::Family family) {
    compile::WayOut way;
    if (family == policy::Family::kIpv4) {
        way.ifindex = record.ipv4_ifindex;
        std::memcpy(way.source.data(), &record.ipv4_source, sizeof(record.ipv4_source));
    } else {
        way.ifindex = record.ipv6_ifindex;
        std::memcpy(way.source.data(), &record.ipv6_source, sizeof(record.ipv6_source));
    }
    return way;
}

Result<std::vector<Way>> changed_ways(const Store& store, const std::vector<policy::Vip>& vips) {
    auto held = held_ways(store, vips);
    if (!held) return held;
    std::vector<Way> changed;
    for (Way& way : *held) {
        const compile::WayOut now = route_to(way.address);
        if (now.ifindex == 0 || is_same(now, way.way)) continue;
        way.way = now;
        changed.push_back(std::move(way));
    }
    return changed;
}

Result<std::vector<Way>> lost_ways(const Store& store, const std::vector<policy::Vip>& vips) {
    auto held = held_ways(store, vips);
    if (!held) return held;
    std::map<std::string, bool> ours;  // by source: most backends have the same
    std::erase_if(*held, [&](const Way& way) {
        if (way.way.ifindex == 0 || !has_outer_headers(vips, way.vip)) return true;
        const std::string source = source_text(way);
        if (!ours.contains(source)) ours[source] = !net::interface_with_address(source).empty();
        return ours.at(source);
    });
    return held;
}

std::string source_text(const Way& way) {
    policy::Prefix source = way.address;
    source.address = way.way.source;
    return policy::format_prefix(source);
}

}  // namespace fwctl::engine
