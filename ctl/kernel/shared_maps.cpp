#include "kernel/shared_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/fd.h"
// The skeleton names these types without defining them.
#include "fwctl/abi/event.h"
#include "fwctl/abi/policy.h"
#include "fwctl/abi/state.h"
#include "fwctl/abi/trace.h"
#include "kernel/probe.h"
#include "skeleton/fwctl_xdp.skel.h"

namespace fwctl::kernel {
namespace {

using ObjectPointer = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

// Without its program.
Result<ObjectPointer> open_maps() {
    std::size_t size = 0;
    const void* elf = fwctl_xdp__elf_bytes(&size);
    ObjectPointer object(bpf_object__open_mem(elf, size, nullptr), bpf_object__close);
    if (!object) return fail(fmt::format("cannot open our BPF object: {}", why_refused(errno)));
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object.get()) bpf_program__set_autoload(program, false);
    return object;
}

Status load(const ObjectPointer& object) {
    if (const int error = bpf_object__load(object.get()); error != 0)
        return fail(fmt::format("cannot make the maps: {}", why_refused(-error)));
    return {};
}

// Each from `get`, which takes a name.
template <typename Get>
Result<SharedMaps> collect(Get get) {
    SharedMaps maps;
    const std::array<Map*, SharedMaps::kNames.size()> members = {
        &maps.control,       &maps.policy,         &maps.pages,          &maps.sets,
        &maps.set_pages,     &maps.members,        &maps.routes,         &maps.devices,
        &maps.answers,       &maps.flow_pages,     &maps.flow_counts,    &maps.placed_pages,
        &maps.nat_flows,     &maps.service_states, &maps.backend_counts, &maps.conditions,
        &maps.checks,        &maps.fragment_ways,  &maps.rule_counters,  &maps.rule_bases,
        &maps.buckets,       &maps.listeners,      &maps.event_rings,    &maps.capture_rooms,
        &maps.talker_tables, &maps.events_lost,    &maps.attachments};
    for (std::size_t i = 0; i < members.size(); ++i) {
        Result<Map> map = get(SharedMaps::kNames[i]);
        if (!map) return tl::unexpected(map.error());
        *members[i] = std::move(*map);
    }
    return maps;
}

}  // namespace

Result<SharedMaps> SharedMaps::open(const StatePaths& paths) {
    return collect([&](const char* name) { return Map::open(paths.map(name)); });
}

Result<SharedMaps> SharedMaps::make() {
    auto object = open_maps();
    if (!object) return tl::unexpected(object.error());
    if (auto loaded = load(*object); !loaded) return tl::unexpected(loaded.error());
    return collect([&](const char* name) -> Result<Map> {
        Fd descriptor(fcntl(bpf_object__find_map_fd_by_name(object->get(), name), F_DUPFD_CLOEXEC, 0));
        if (!descriptor) return fail(fmt::format("cannot keep the map {}: {}", name, strerror(errno)));
        return Map::of(std::move(descriptor));
    });
}

// libbpf compares flags, to which the kernel has added one of its own for a map of devices, and would refuse
// the pin: it is handed the map itself.
Status set_pin(bpf_map* map, const std::string& path) {
    if (map == nullptr) return fail(fmt::format("there is no map for {}", path));
    if (bpf_map__type(map) == BPF_MAP_TYPE_DEVMAP_HASH) {
        const Fd devices(bpf_obj_get(path.c_str()));
        if (devices && bpf_map__reuse_fd(map, devices.get()) == 0) return {};
    }
    if (bpf_map__set_pin_path(map, path.c_str()) != 0)
        return fail(fmt::format("the map {} cannot be pinned", bpf_map__name(map)));
    return {};
}

Status create_shared_maps(const StatePaths& paths) {
    auto object = open_maps();
    if (!object) return tl::unexpected(object.error());
    for (const char* name : SharedMaps::kNames) {
        if (auto pinned = set_pin(bpf_object__find_map_by_name(object->get(), name), paths.map(name));
            !pinned)
            return pinned;
    }
    return load(*object);
}

}  // namespace fwctl::kernel
