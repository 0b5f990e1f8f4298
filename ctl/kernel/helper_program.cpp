#include "kernel/helper_program.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "kernel/probe.h"

namespace fwctl::kernel {

Result<ObjectPointer> load_helper(std::string_view elf, std::span<const SharedMap> maps,
                                  std::string_view what) {
    ObjectPointer object(bpf_object__open_mem(elf.data(), elf.size(), nullptr), bpf_object__close);
    if (!object) return fail(fmt::format("cannot open our BPF object: {}", why_refused(errno)));
    for (const SharedMap& shared : maps) {
        bpf_map* own = bpf_object__find_map_by_name(object.get(), shared.name);
        if (own == nullptr || bpf_map__reuse_fd(own, shared.map->fd()) != 0)
            return fail(fmt::format("{} cannot use the map {}", what, shared.name));
    }
    if (const int error = bpf_object__load(object.get()); error != 0)
        return fail(fmt::format("the kernel refuses {}: {}", what, why_refused(-error)));
    return object;
}

Fd duplicate(int fd) {
    return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

Status run_helper(const Fd& program, void* context, std::size_t size, std::string_view what) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.ctx_in = context;
    options.ctx_size_in = static_cast<std::uint32_t>(size);
    const int error = bpf_prog_test_run_opts(program.get(), &options);
    if (error == 0 && options.retval == 0) return {};
    return fail(fmt::format("the kernel does not run {}: {}", what, strerror(-error)));
}

}  // namespace fwctl::kernel
