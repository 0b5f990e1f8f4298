#include "kernel/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "kernel/probe.h"
#include "kernel/program.h"

namespace fwctl::kernel {
namespace {

// Programs in a dispatcher run in the order of these numbers; libxdp's default is 50. A filter comes before
// what counts or redirects the packets that pass it.
constexpr unsigned kRunPriority = 10;

struct CloseProgram {
    void operator()(xdp_program* program) const { xdp_program__close(program); }
};
struct CloseMultiprog {
    void operator()(xdp_multiprog* multiprog) const { xdp_multiprog__close(multiprog); }
};
using ProgramPointer = std::unique_ptr<xdp_program, CloseProgram>;
using MultiprogPointer = std::unique_ptr<xdp_multiprog, CloseMultiprog>;

xdp_attach_mode libxdp_mode(XdpMode mode) {
    return mode == XdpMode::kNative ? XDP_MODE_NATIVE : XDP_MODE_SKB;
}

XdpMode our_mode(xdp_attach_mode mode) {
    switch (mode) {
        case XDP_MODE_NATIVE:
            return XdpMode::kNative;
        case XDP_MODE_SKB:
            return XdpMode::kGeneric;
        case XDP_MODE_HW:
            return XdpMode::kOffload;
        default:
            return XdpMode::kNone;
    }
}

std::uint32_t kernel_flags(XdpMode mode) {
    return mode == XdpMode::kNative ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
}

tl::unexpected<Error> attach_error(int error) {
    if (error == -EBUSY || error == -EEXIST)
        return fail("another XDP program is attached and cannot be shared with", Exit::kConflict);
    if (error == -EOPNOTSUPP) return fail("the device does not support XDP in this mode");
    if (auto missing = missing_feature()) return fail(*missing);
    return fail(fmt::format("cannot attach to XDP: {}; -v shows what libxdp says", strerror(-error)));
}

Status exchange_bare(int ifindex, XdpMode mode, int old_fd, int new_fd) {
    bpf_xdp_attach_opts options{};
    options.sz = sizeof(options);
    options.old_prog_fd = old_fd;
    const int error = bpf_xdp_attach(ifindex, new_fd, kernel_flags(mode) | XDP_FLAGS_REPLACE, &options);
    if (error != 0) return attach_error(error);
    return {};
}

Result<ProgramPointer> libxdp_program(Object& object) {
    xdp_program_opts options{};
    options.sz = sizeof(options);
    options.obj = object.handle();
    options.prog_name = object.program_name();
    ProgramPointer program(xdp_program__create(&options));
    if (const long error = libxdp_get_error(program.get()); error != 0) {
        (void)program.release();
        return fail(fmt::format("libxdp refuses our object: {}", strerror(static_cast<int>(-error))));
    }
    xdp_program__set_run_prio(program.get(), kRunPriority);
    return program;
}

}  // namespace

const char* mode_name(XdpMode mode) {
    switch (mode) {
        case XdpMode::kGeneric:
            return "generic";
        case XdpMode::kNative:
            return "native";
        case XdpMode::kOffload:
            return "offload";
        case XdpMode::kNone:
            break;
    }
    return "none";
}

Result<XdpState> query_xdp(int ifindex) {
    MultiprogPointer multiprog(xdp_multiprog__get_from_ifindex(ifindex));
    XdpState state;
    if (const long error = libxdp_get_error(multiprog.get()); error != 0) {
        (void)multiprog.release();
        if (error == -ENOENT) return state;
        return fail(fmt::format("cannot ask for the XDP programs: {}", strerror(static_cast<int>(-error))));
    }
    state.mode = our_mode(xdp_multiprog__attach_mode(multiprog.get()));
    state.dispatcher = !xdp_multiprog__is_legacy(multiprog.get());
    const auto add = [&state](const xdp_program* program) {
        state.programs.push_back({xdp_program__id(program), xdp_program__name(program)});
    };
    if (!state.dispatcher) {
        add(xdp_multiprog__main_prog(multiprog.get()));
        return state;
    }
    for (xdp_program* program = xdp_multiprog__next_prog(nullptr, multiprog.get()); program != nullptr;
         program = xdp_multiprog__next_prog(program, multiprog.get()))
        add(program);
    return state;
}

Result<std::uint32_t> attach_xdp(Object& object, int ifindex, XdpMode mode) {
    auto program = libxdp_program(object);
    if (!program) return tl::unexpected(program.error());
    if (const int error = xdp_program__attach(program->get(), ifindex, libxdp_mode(mode), 0); error != 0)
        return attach_error(error);
    return xdp_program__id(program->get());
}

Result<std::uint32_t> exchange_xdp(Object& object, int ifindex, const XdpState& now, std::uint32_t old) {
    if (now.dispatcher) {
        auto added = attach_xdp(object, ifindex, now.mode);
        if (!added) return added;
        if (auto removed = detach_xdp(ifindex, old); !removed) return tl::unexpected(removed.error());
        return added;
    }
    if (auto loaded = object.load(); !loaded) return tl::unexpected(loaded.error());
    auto old_program = open_program(old);
    if (!old_program) return tl::unexpected(old_program.error());
    auto exchanged = exchange_bare(ifindex, now.mode, old_program->get(), object.program_fd());
    if (!exchanged) return tl::unexpected(exchanged.error());
    auto info = program_info(object.program_fd());
    if (!info) return tl::unexpected(info.error());
    return info->id;
}

Status put_back_xdp(int ifindex, XdpMode mode, std::uint32_t ours, int program_fd) {
    auto our_program = open_program(ours);
    if (!our_program) return tl::unexpected(our_program.error());
    return exchange_bare(ifindex, mode, our_program->get(), program_fd);
}

Status detach_xdp(int ifindex, std::uint32_t id) {
    MultiprogPointer multiprog(xdp_multiprog__get_from_ifindex(ifindex));
    if (libxdp_get_error(multiprog.get()) != 0) {
        (void)multiprog.release();
        return {};
    }
    // libxdp's own handle of the program in the dispatcher is needed to take it off; a bare one is the main
    // program.
    xdp_program* program = nullptr;
    if (xdp_multiprog__is_legacy(multiprog.get())) {
        program = xdp_multiprog__main_prog(multiprog.get());
        if (xdp_program__id(program) != id) return {};
    } else {
        do {
            program = xdp_multiprog__next_prog(program, multiprog.get());
        } while (program != nullptr && xdp_program__id(program) != id);
        if (program == nullptr) return {};
    }
    const xdp_attach_mode mode = xdp_multiprog__attach_mode(multiprog.get());
    const int error = xdp_program__detach(program, ifindex, mode, 0);
    if (error == -EBUSY || error == -EEXIST)
        return fail(
            "cannot detach from XDP while an interface above it, a VLAN or a bridge, has an XDP program");
    if (error != 0) return fail(fmt::format("cannot detach from XDP: {}", strerror(-error)));
    return {};
}

}  // namespace fwctl::kernel
