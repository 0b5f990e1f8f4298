#include "kernel/grace.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/fd.h"

namespace fwctl::kernel {

// An update of a map in a map waits for a grace period of RCU before it returns (kernel/bpf/syscall.c,
// maybe_wait_bpf_programs), which is what programs run under. Neither map is seen by any program.
Status wait_for_packets() {
    const Fd inner(bpf_map_create(BPF_MAP_TYPE_ARRAY, "fwctl_grace_in", 4, 4, 1, nullptr));
    bpf_map_create_opts options{};
    options.sz = sizeof(options);
    options.inner_map_fd = static_cast<std::uint32_t>(inner.get());
    const Fd outer(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "fwctl_grace", 4, 4, 1, &options));
    const std::uint32_t zero = 0;
    const int value = inner.get();
    if (!inner || !outer || bpf_map_update_elem(outer.get(), &zero, &value, BPF_ANY) != 0)
        return fail(fmt::format("cannot wait for the packets under way: {}", strerror(errno)));
    return {};
}

}  // namespace fwctl::kernel
