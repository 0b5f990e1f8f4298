// Programs that are on no interface: the command runs them itself, on maps that the others use.
#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/map.h"

namespace fwctl::kernel {

struct SharedMap {
    const char* name;  // in the object
    const Map* map;
};

using ObjectPointer = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

// `what` is how errors call it: "the program of sets".
Result<ObjectPointer> load_helper(std::string_view elf, std::span<const SharedMap> maps,
                                  std::string_view what);

// Of its own: it outlives the object.
Fd duplicate(int fd);

// Runs a program of the kind SEC("syscall"); its context comes back where it is.
Status run_helper(const Fd& program, void* context, std::size_t size, std::string_view what);

template <typename Context>
Status run_helper(const Fd& program, Context& context, std::string_view what) {
    return run_helper(program, &context, sizeof(context), what);
}

}  // namespace fwctl::kernel
