#include "kernel/set_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "kernel/bpffs.h"
#include "kernel/probe.h"
#include "skeleton/fwctl_sets.skel.h"

namespace fwctl::kernel {

namespace {

using ObjectPointer = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

constexpr const char* kRequests = "set_requests";
constexpr std::string_view kPin = "set-program-";

std::string_view elf() {
    std::size_t size = 0;
    const void* bytes = fwctl_sets__elf_bytes(&size);
    return {static_cast<const char*>(bytes), size};
}

// Tells one build of the program from another.
std::uint32_t build() {
    std::uint32_t hash = 2166136261U;  // FNV-1a
    for (const char byte : elf()) hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619U;
    return hash;
}

Fd duplicate(int fd) {
    return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

Result<ObjectPointer> load_object(const Map& sets, const Map& set_pages) {
    ObjectPointer object(bpf_object__open_mem(elf().data(), elf().size(), nullptr), bpf_object__close);
    if (!object) return fail(fmt::format("cannot open our BPF object: {}", why_refused(errno)));
    const std::array shared = {std::pair{"sets", &sets}, std::pair{"set_pages", &set_pages}};
    for (const auto& [name, map] : shared) {
        bpf_map* own = bpf_object__find_map_by_name(object.get(), name);
        if (own == nullptr || bpf_map__reuse_fd(own, map->fd()) != 0)
            return fail(fmt::format("the program of sets cannot use the map {}", name));
    }
    if (const int error = bpf_object__load(object.get()); error != 0)
        return fail(fmt::format("the kernel refuses the program of sets: {}", why_refused(-error)));
    return object;
}

void remove_pins(const std::string& directory) {
    for (const std::string& name : list_directory(directory))
        if (name.starts_with(kPin)) unlink((directory + "/" + name).c_str());
}

}  // namespace

Result<SetProgram> SetProgram::of(Fd program, Fd requests) {
    auto map = Map::of(std::move(requests));
    if (!map) return tl::unexpected(map.error());
    auto mapping = Mapping::of(*map, FW_MAX_SET_REQUESTS * sizeof(fw_set_request));
    if (!mapping) return tl::unexpected(mapping.error());
    SetProgram made;
    made.requests_ = std::move(*mapping);
    made.program_ = std::move(program);
    return made;
}

Result<SetProgram> SetProgram::load(const Map& sets, const Map& set_pages) {
    auto object = load_object(sets, set_pages);
    if (!object) return tl::unexpected(object.error());
    const bpf_program* program = bpf_object__find_program_by_name(object->get(), "fwctl_sets");
    return of(duplicate(bpf_program__fd(program)),
              duplicate(bpf_object__find_map_fd_by_name(object->get(), kRequests)));
}

// The program is pinned last: where it is, its requests are.
Result<SetProgram> SetProgram::open(const Map& sets, const Map& set_pages, const std::string& directory) {
    const std::string program_pin = fmt::format("{}/{}{:08x}", directory, kPin, build());
    const std::string requests_pin = program_pin + "-requests";
    Fd program(bpf_obj_get(program_pin.c_str()));
    Fd requests(bpf_obj_get(requests_pin.c_str()));
    if (program && requests) return of(std::move(program), std::move(requests));
    remove_pins(directory);
    auto object = load_object(sets, set_pages);
    if (!object) return tl::unexpected(object.error());
    program = duplicate(bpf_program__fd(bpf_object__find_program_by_name(object->get(), "fwctl_sets")));
    requests = duplicate(bpf_object__find_map_fd_by_name(object->get(), kRequests));
    // Without pins it works as well, and is loaded again.
    if (bpf_obj_pin(requests.get(), requests_pin.c_str()) == 0)
        (void)bpf_obj_pin(program.get(), program_pin.c_str());
    return of(std::move(program), std::move(requests));
}

std::span<fw_set_request> SetProgram::requests() const {
    return {reinterpret_cast<fw_set_request*>(requests_.data()), FW_MAX_SET_REQUESTS};
}

Result<fw_set_job> SetProgram::run(fw_set_job job) const {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.ctx_in = &job;  // comes back where it is
    options.ctx_size_in = sizeof(job);
    const int error = bpf_prog_test_run_opts(program_.get(), &options);
    if (error != 0 || options.retval != 0)
        return fail(fmt::format("the kernel does not run the program of sets: {}", strerror(-error)));
    return job;
}

}  // namespace fwctl::kernel
