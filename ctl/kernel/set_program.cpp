#include "kernel/set_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/fd.h"
#include "kernel/probe.h"
#include "skeleton/fwctl_sets.skel.h"

namespace fwctl::kernel {

void SetProgram::Close::operator()(bpf_object* object) const {
    bpf_object__close(object);
}

Result<SetProgram> SetProgram::load(const Map& sets, const Map& set_pages) {
    std::size_t size = 0;
    const void* elf = fwctl_sets__elf_bytes(&size);
    SetProgram made;
    made.object_.reset(bpf_object__open_mem(elf, size, nullptr));
    if (!made.object_) return fail(fmt::format("cannot open our BPF object: {}", why_refused(errno)));
    const std::array shared = {std::pair{"sets", &sets}, std::pair{"set_pages", &set_pages}};
    for (const auto& [name, map] : shared) {
        bpf_map* own = bpf_object__find_map_by_name(made.object_.get(), name);
        if (own == nullptr || bpf_map__reuse_fd(own, map->fd()) != 0)
            return fail(fmt::format("the program of sets cannot use the map {}", name));
    }
    if (const int error = bpf_object__load(made.object_.get()); error != 0)
        return fail(fmt::format("the kernel refuses the program of sets: {}", why_refused(-error)));
    made.program_ = bpf_program__fd(bpf_object__find_program_by_name(made.object_.get(), "fwctl_sets"));
    auto map = Map::of(
        Fd(fcntl(bpf_object__find_map_fd_by_name(made.object_.get(), "set_requests"), F_DUPFD_CLOEXEC, 0)));
    if (!map) return tl::unexpected(map.error());
    auto mapping = Mapping::of(*map, FW_MAX_SET_REQUESTS * sizeof(fw_set_request));
    if (!mapping) return tl::unexpected(mapping.error());
    made.requests_ = std::move(*mapping);
    return made;
}

std::span<fw_set_request> SetProgram::requests() const {
    return {reinterpret_cast<fw_set_request*>(requests_.data()), FW_MAX_SET_REQUESTS};
}

Result<fw_set_job> SetProgram::run(fw_set_job job) const {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.ctx_in = &job;  // comes back where it is
    options.ctx_size_in = sizeof(job);
    const int error = bpf_prog_test_run_opts(program_, &options);
    if (error != 0 || options.retval != 0)
        return fail(fmt::format("the kernel does not run the program of sets: {}", strerror(-error)));
    return job;
}

}  // namespace fwctl::kernel
