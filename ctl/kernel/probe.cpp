#include "kernel/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/capability.h>
#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>

#include "base/fd.h"
#include "kernel/tc.h"

namespace fwctl::kernel {

std::optional<std::string> missing_feature() {
    struct Need {
        bpf_prog_type type;
        bpf_func_id helper;
        const char* name;
    };
    constexpr std::array kNeeds = {
        Need{BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, "multi-buffer XDP (bpf_xdp_load_bytes)"},
        Need{BPF_PROG_TYPE_XDP, BPF_FUNC_ktime_get_coarse_ns, "a coarse clock (bpf_ktime_get_coarse_ns)"},
        Need{BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skb_load_bytes, "TC programs (bpf_skb_load_bytes)"},
    };
    if (const Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "fwctl_probe", 4, 4, 1, nullptr)); !map)
        return fmt::format("this kernel ({}) refuses bpf(): {}", kernel_release(), strerror(errno));
    for (const Need& need : kNeeds)
        if (libbpf_probe_bpf_helper(need.type, need.helper, nullptr) == 0)
            return fmt::format("this kernel ({}) lacks {}: fwctl needs Linux 6.1 or later", kernel_release(),
                               need.name);
    return std::nullopt;
}

std::string why_refused(int error) {
    if (auto missing = missing_feature()) return *missing;
    return fmt::format("{}; -v shows what libbpf says", strerror(error));
}

Status check_privilege(const std::string& command) {
    struct Need {
        cap_value_t value;
        const char* name;
    };
    // CAP_SYS_ADMIN is what opening a program by its id takes, and stands for CAP_BPF and CAP_PERFMON.
    constexpr std::array kNeeds = {Need{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
                                   Need{CAP_NET_ADMIN, "CAP_NET_ADMIN"}};
    const std::unique_ptr<std::remove_pointer_t<cap_t>, decltype(&cap_free)> own(cap_get_proc(), cap_free);
    std::string missing;
    for (const Need& need : kNeeds) {
        cap_flag_value_t value = CAP_CLEAR;
        if (own) cap_get_flag(own.get(), need.value, CAP_EFFECTIVE, &value);
        if (value == CAP_SET) continue;
        missing += (missing.empty() ? "" : ", ") + std::string(need.name);
    }
    if (missing.empty()) return {};
    return fail(fmt::format("{} needs root: {} missing", command, missing), Exit::kNoPrivilege);
}

bool has_tcx() {
    std::uint32_t count = 0;
    constexpr int kLoopback = 1;
    return bpf_prog_query(kLoopback, static_cast<bpf_attach_type>(kTcxIngress), 0, nullptr, nullptr,
                          &count) == 0;
}

// Without a target the kernel answers EINVAL where the type is allowed.
bool has_extensions() {
    const std::array<bpf_insn, 2> pass = {bpf_insn{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
                                          bpf_insn{BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    const int fd = bpf_prog_load(BPF_PROG_TYPE_EXT, "fwctl_probe", "GPL", pass.data(), pass.size(), nullptr);
    if (fd >= 0) {
        const Fd close_it(fd);
        return true;
    }
    return errno == EINVAL;
}

bool jit_enabled() {
    std::ifstream file("/proc/sys/net/core/bpf_jit_enable");
    int value = 1;
    file >> value;
    return !file || value != 0;
}

bool has_syn_cookies() {
    static const bool has = [] {
        for (const auto type : {BPF_PROG_TYPE_XDP, BPF_PROG_TYPE_SCHED_CLS})
            for (const auto helper :
                 {BPF_FUNC_tcp_raw_gen_syncookie_ipv4, BPF_FUNC_tcp_raw_gen_syncookie_ipv6,
                  BPF_FUNC_tcp_raw_check_syncookie_ipv4, BPF_FUNC_tcp_raw_check_syncookie_ipv6})
                if (libbpf_probe_bpf_helper(type, helper, nullptr) == 0) return false;
        return true;
    }();
    return has;
}

std::string kernel_release() {
    utsname names{};
    uname(&names);
    return names.release;
}

}  // namespace fwctl::kernel
