#include "kernel/log.h"

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <cstdarg>
#include <cstdio>

namespace fwctl::kernel {
namespace {

int from_libbpf(enum libbpf_print_level /*level*/, const char* format, va_list arguments) {
    return vfprintf(stderr, format, arguments);
}

int from_libxdp(enum libxdp_print_level /*level*/, const char* format, va_list arguments) {
    return vfprintf(stderr, format, arguments);
}

}  // namespace

void show_library_log(bool show) {
    libbpf_set_print(show ? from_libbpf : nullptr);
    libxdp_set_print(show ? from_libxdp : nullptr);
}

}  // namespace fwctl::kernel
