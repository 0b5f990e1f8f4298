#include "kernel/tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace fwctl::kernel {
namespace {

constexpr std::uint32_t kBpfFBefore =
    1U << 3;                            // BPF_F_BEFORE, Linux 6.6: with no other program named, first of all
constexpr std::uint32_t kPriority = 1;  // filters are asked in the order of their priorities

bpf_attach_type attach_type(TcDirection direction) {
    return static_cast<bpf_attach_type>(direction == TcDirection::kIngress ? kTcxIngress : kTcxEgress);
}

bpf_tc_hook hook_of(int ifindex, TcDirection direction) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = ifindex;
    hook.attach_point = direction == TcDirection::kIngress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
    return hook;
}

bpf_tc_opts our_filter() {
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.handle = kFilterHandle;
    options.priority = kPriority;
    return options;
}

const char* name_of(TcDirection direction) {
    return direction == TcDirection::kIngress ? "TC ingress" : "TC egress";
}

}  // namespace

Result<bool> attach_tcx(int ifindex, TcDirection direction, int program_fd, const std::string& pin) {
    bpf_link_create_opts options{};
    options.sz = sizeof(options);
    options.flags = kBpfFBefore;
    const Fd link(bpf_link_create(program_fd, ifindex, attach_type(direction), &options));
    if (!link) {
        if (errno == EINVAL) return false;
        return fail(fmt::format("cannot attach to {}: {}", name_of(direction), strerror(errno)));
    }
    if (bpf_obj_pin(link.get(), pin.c_str()) != 0)
        return fail(fmt::format("cannot pin the link at {}: {}", pin, strerror(errno)));
    return true;
}

Status exchange_tcx(const std::string& pin, int program_fd) {
    const Fd link(bpf_obj_get(pin.c_str()));
    if (!link || bpf_link_update(link.get(), program_fd, nullptr) != 0)
        return fail(fmt::format("cannot exchange the program of {}: {}", pin, strerror(errno)));
    return {};
}

Result<std::optional<TcxLink>> pinned_tcx(const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    if (!link) {
        if (errno == ENOENT) return std::nullopt;
        return fail(fmt::format("cannot open the link {}: {}", pin, strerror(errno)));
    }
    bpf_link_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0)
        return fail(fmt::format("cannot ask about the link {}: {}", pin, strerror(errno)));
    // Every kind of link that has an interface keeps its index first, TCX (unknown to these headers) too.
    return TcxLink{info.prog_id, static_cast<int>(info.xdp.ifindex)};
}

// Removing the pin alone detaches too, but some time later.
Status detach_tcx(const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    if (!link) return {};
    bpf_link_detach(link.get());  // fails where the interface is gone, which is as good
    if (unlink(pin.c_str()) != 0 && errno != ENOENT)
        return fail(fmt::format("cannot remove the pin {}: {}", pin, strerror(errno)));
    return {};
}

std::vector<std::uint32_t> query_tcx(int ifindex, TcDirection direction) {
    std::vector<std::uint32_t> ids(64);
    auto count = static_cast<std::uint32_t>(ids.size());
    if (bpf_prog_query(ifindex, attach_type(direction), 0, nullptr, ids.data(), &count) != 0) return {};
    ids.resize(count);
    return ids;
}

Status make_clsact(int ifindex) {
    bpf_tc_hook hook = hook_of(ifindex, TcDirection::kIngress);
    const int error = bpf_tc_hook_create(&hook);
    if (error == 0) return {};
    if (error == -EEXIST)
        return fail("an ingress qdisc that is not clsact is in the way (tc qdisc show)", Exit::kConflict);
    return fail(fmt::format("cannot make the clsact qdisc: {}", strerror(-error)));
}

Status remove_clsact(int ifindex) {
    bpf_tc_hook hook = hook_of(ifindex, TcDirection::kIngress);
    hook.attach_point =
        static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);  // both: the qdisc itself
    const int error = bpf_tc_hook_destroy(&hook);
    if (error != 0 && error != -ENOENT && error != -EINVAL)
        return fail(fmt::format("cannot remove the clsact qdisc: {}", strerror(-error)));
    return {};
}

Status attach_filter(int ifindex, TcDirection direction, int program_fd) {
    const bpf_tc_hook hook = hook_of(ifindex, direction);
    bpf_tc_opts options = our_filter();
    options.prog_fd = program_fd;
    const int error = bpf_tc_attach(&hook, &options);
    if (error == 0) return {};
    // EINVAL: the priority belongs to filters of another kind or protocol.
    if (error == -EEXIST || error == -EINVAL)
        return fail(fmt::format("another filter has priority {} at {} (tc filter show)", kPriority,
                                name_of(direction)),
                    Exit::kConflict);
    return fail(fmt::format("cannot attach to {}: {}", name_of(direction), strerror(-error)));
}

Status exchange_filter(int ifindex, TcDirection direction, int program_fd) {
    const bpf_tc_hook hook = hook_of(ifindex, direction);
    bpf_tc_opts options = our_filter();
    options.prog_fd = program_fd;
    options.flags = BPF_TC_F_REPLACE;
    if (const int error = bpf_tc_attach(&hook, &options); error != 0)
        return fail(
            fmt::format("cannot exchange the program of {}: {}", name_of(direction), strerror(-error)));
    return {};
}

Status detach_filter(int ifindex, TcDirection direction) {
    const bpf_tc_hook hook = hook_of(ifindex, direction);
    const bpf_tc_opts options = our_filter();
    const int error = bpf_tc_detach(&hook, &options);
    if (error != 0 && error != -ENOENT && error != -EINVAL)
        return fail(fmt::format("cannot detach from {}: {}", name_of(direction), strerror(-error)));
    return {};
}

std::optional<std::uint32_t> query_filter(int ifindex, TcDirection direction) {
    const bpf_tc_hook hook = hook_of(ifindex, direction);
    bpf_tc_opts options = our_filter();
    if (bpf_tc_query(&hook, &options) != 0) return std::nullopt;
    return options.prog_id;
}

}  // namespace fwctl::kernel
