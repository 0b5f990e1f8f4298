// A sender in the kernel, as fast as a processor goes: sender INTERFACE PACKETS, a frame in hexadecimal on
// stdin.
//
// BPF_PROG_TEST_RUN with live frames (Documentation/bpf/bpf_prog_run.rst) hands each frame to the device's
// own way out for XDP. A veth takes them where its peer has GRO or a program of XDP.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

namespace {

std::vector<std::uint8_t> read_frame() {
    std::string text;
    std::cin >> text;
    std::vector<std::uint8_t> frame;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        frame.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    return frame;
}

// Puts the headers back, which whoever had the page before has changed, and returns bpf_redirect(ifindex, 0).
int load_program(int ifindex, const std::vector<std::uint8_t>& frame) {
    constexpr std::int16_t kHeaders = 56;
    if (frame.size() < kHeaders) return -1;
    std::vector<bpf_insn> code = {
        {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(xdp_md, data), 0},
        {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, offsetof(xdp_md, data_end), 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, kHeaders},
        {BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, kHeaders / 4, 0},
    };
    for (std::int16_t at = 0; at < kHeaders; at += 4) {
        std::int32_t word = 0;
        std::memcpy(&word, frame.data() + at, sizeof(word));
        code.push_back({BPF_ST | BPF_MEM | BPF_W, BPF_REG_2, 0, at, word});
    }
    code.push_back({BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, ifindex});
    code.push_back({BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0});
    code.push_back({BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect});
    code.push_back({BPF_JMP | BPF_EXIT, 0, 0, 0, 0});
    return bpf_prog_load(BPF_PROG_TYPE_XDP, "sender", "GPL", code.data(), code.size(), nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const auto frame = read_frame();
    const int program = load_program(static_cast<int>(if_nametoindex(argv[1])), frame);
    xdp_md context{};
    context.data_end = static_cast<std::uint32_t>(frame.size());
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.repeat = std::atoi(argv[2]);
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    if (program < 0 || bpf_prog_test_run_opts(program, &options) != 0) {
        fmt::print(stderr, "sender: {}\n", strerror(errno));
        return 1;
    }
    return 0;
}
