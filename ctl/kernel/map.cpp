#include "kernel/map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace fwctl::kernel {

Result<Map> Map::open(const std::string& path) {
    Fd descriptor(bpf_obj_get(path.c_str()));
    if (!descriptor) return fail(fmt::format("cannot open the map {}: {}", path, strerror(errno)));
    return of(std::move(descriptor));
}

Result<Map> Map::of(Fd descriptor) {
    Map map;
    map.fd_ = std::move(descriptor);
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(map.fd_.get(), &info, &size) != 0)
        return fail(fmt::format("cannot ask about a map: {}", strerror(errno)));
    map.id_ = info.id;
    map.max_entries_ = info.max_entries;
    map.name_ = info.name;
    return map;
}

Status Map::update_bytes(const void* key, const void* value) const {
    if (bpf_map_update_elem(fd_.get(), key, value, BPF_ANY) == 0) return {};
    return fail(fmt::format("cannot write to the map {}: {}", name_, strerror(errno)));
}

Result<bool> Map::insert_bytes(const void* key, const void* value) const {
    if (bpf_map_update_elem(fd_.get(), key, value, BPF_ANY) == 0) return true;
    if (errno == ENOSPC || errno == E2BIG) return false;
    return fail(fmt::format("cannot write to the map {}: {}", name_, strerror(errno)));
}

Result<bool> Map::read_batch(const void* after, void* last, void* keys, void* values,
                             std::uint32_t& count) const {
    const int done =
        bpf_map_lookup_batch(fd_.get(), const_cast<void*>(after), last, keys, values, &count, nullptr);
    if (done == 0) return true;
    if (errno == ENOENT) return false;
    return fail(fmt::format("cannot read the map {}: {}", name_, strerror(errno)));
}

Status Map::erase_bytes(const void* key) const {
    if (bpf_map_delete_elem(fd_.get(), key) == 0 || errno == ENOENT) return {};
    return fail(fmt::format("cannot delete from the map {}: {}", name_, strerror(errno)));
}

Status Map::lookup_bytes(const void* key, void* value) const {
    if (bpf_map_lookup_elem(fd_.get(), key, value) == 0) return {};
    return fail(fmt::format("cannot read the map {}: {}", name_, strerror(errno)));
}

bool Map::has_bytes(const void* key, void* value) const {
    return bpf_map_lookup_elem(fd_.get(), key, value) == 0;
}

bool Map::next_key(const void* key, void* next) const {
    return bpf_map_get_next_key(fd_.get(), key, next) == 0;
}

std::size_t Map::cpu_count() {
    return static_cast<std::size_t>(libbpf_num_possible_cpus());
}

Result<Mapping> Mapping::of(const Map& map, std::size_t bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    Mapping mapping;
    mapping.bytes_ = (bytes + page - 1) / page * page;
    void* at = mmap(nullptr, mapping.bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd(), 0);
    if (at == MAP_FAILED) return fail(fmt::format("cannot map a map's memory: {}", strerror(errno)));
    mapping.data_ = static_cast<std::byte*>(at);
    return mapping;
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Mapping::~Mapping() {
    if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace fwctl::kernel
