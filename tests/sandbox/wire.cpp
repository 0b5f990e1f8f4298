// A veth that plays a wire.
//
//   wire INTERFACE      has fwctl take an attached veth for hardware, so that its native XDP program answers
//   and
//                       sends on by itself: right while the far end sums checksums and cuts segments itself
//   wire --far INTERFACE  gives the far end a program: a veth takes at once what XDP sends only where there
//   is one
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <array>
#include <string_view>

#include "engine/hooks.h"
#include "engine/session.h"

namespace {

using namespace fwctl;

Status play_near(const char* interface) {
    auto writing = engine::open_to_write();
    if (!writing) return tl::unexpected(writing.error());
    const engine::Attachment* there = writing->state.find(interface);
    if (there == nullptr) return fail("not attached");
    engine::Attachment attachment = *there;
    attachment.record.flags |= FW_ATTACHMENT_WIRE;
    writing->store.write_record(attachment);
    return engine::update_programs(writing->store, attachment);
}

Status play_far(const char* interface) {
    constexpr std::array kPass = {
        bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K,
                 .dst_reg = BPF_REG_0,
                 .src_reg = 0,
                 .off = 0,
                 .imm = XDP_PASS},
        bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    const int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", kPass.data(), kPass.size(), nullptr);
    const auto ifindex = static_cast<int>(if_nametoindex(interface));
    if (program < 0 || bpf_xdp_attach(ifindex, program, XDP_FLAGS_DRV_MODE, nullptr) != 0)
        return fail("no program of XDP can be attached");
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    const bool far = argc == 3 && std::string_view(argv[1]) == "--far";
    if (argc != 2 && !far) return 2;
    const Status done = far ? play_far(argv[2]) : play_near(argv[1]);
    if (done) return 0;
    fmt::print(stderr, "wire {}: {}\n", argv[argc - 1], done.error().message);
    return 1;
}
